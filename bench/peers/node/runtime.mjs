// Lambda's Runtime API in a few lines: it does less than Lambda's own client, which needs a native build, and costs less.
import http from "node:http";

import { handler } from "./handler.mjs";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function request(method, path, body) {
  return new Promise((resolve, reject) => {
    const options = { host, port, agent, method, path: `/2018-06-01/runtime/${path}` };
    const call = http.request(options, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(chunks).toString() }));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end(body);
  });
}

async function run() {
  for (;;) {
    const { headers, text } = await request("GET", "invocation/next");
    const id = headers["lambda-runtime-aws-request-id"];
    try {
      const answer = await handler(JSON.parse(text));
      await request("POST", `invocation/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      const failure = { errorType: error.name, errorMessage: error.message, stackTrace: error.stack?.split("\n") };
      await request("POST", `invocation/${id}/error`, JSON.stringify(failure));
    }
  }
}

run();
