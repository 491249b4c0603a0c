// Gives a new ECR repository the policy that an SSM parameter holds; statements of others stay as they are.
import {
  ECRClient,
  GetRepositoryPolicyCommand,
  RepositoryPolicyNotFoundException,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import { GetParameterCommand, SSMClient } from "@aws-sdk/client-ssm";

const PARAMETER = process.env.POLICY_PARAMETER;
const PREFIX = "AutoPolicy";
const KEEP_MILLISECONDS = 60_000;
const ROOT = /^arn:[^:]+:iam::(\d{12}):root$/;

// Outside the handler, as AWS advises: they live as long as the process.
const ssm = new SSMClient({});
const ecr = new ECRClient({});
let kept = { statements: undefined, until: 0 };

async function desiredStatements() {
  if (!kept.statements || performance.now() >= kept.until) {
    const until = performance.now() + KEEP_MILLISECONDS;
    const answer = await ssm.send(new GetParameterCommand({ Name: PARAMETER, WithDecryption: true }));
    const { Statement } = JSON.parse(answer.Parameter.Value);
    kept = { statements: Statement.map((statement) => ({ ...statement, Sid: PREFIX + statement.Sid })), until };
  }
  return kept.statements;
}

async function currentPolicy(registryId, repositoryName) {
  try {
    const { policyText } = await ecr.send(new GetRepositoryPolicyCommand({ registryId, repositoryName }));
    return JSON.parse(policyText);
  } catch (error) {
    if (error instanceof RepositoryPolicyNotFoundException) return undefined;
    throw error;
  }
}

// One word or a list of them, without order.
const words = (value, plain = String) => [...new Set([value].flat().map(plain))].sort();

const principals = (value) =>
  Object.entries(typeof value === "string" ? { AWS: value } : value)
    .map(([kind, names]) => [kind, words(names, (name) => ROOT.exec(name)?.[1] ?? name)])
    .sort();

const tests = (condition) =>
  Object.entries(condition)
    .flatMap(([operator, keys]) =>
      Object.entries(keys).map(([key, values]) => [operator, key.toLowerCase(), words(values)]),
    )
    .sort();

const actions = (value) => words(value, (action) => action.toLowerCase());

const READ = { Principal: principals, NotPrincipal: principals, Condition: tests, Action: actions, NotAction: actions };

// ECR answers a policy in other words than it was written in, so that texts cannot be compared.
const meaning = (statement) =>
  JSON.stringify(
    Object.entries(statement)
      .map(([key, value]) => [key, (READ[key] ?? words)(value)])
      .sort(),
  );

const meanings = (statements) => JSON.stringify(statements.map(meaning).sort());

const isOurs = (statement) => statement.Sid?.startsWith(PREFIX) ?? false;

async function bringInLine(registryId, repositoryName) {
  const [desired, current] = await Promise.all([desiredStatements(), currentPolicy(registryId, repositoryName)]);
  const statements = current?.Statement ?? [];
  if (meanings(statements.filter(isOurs)) === meanings(desired)) return "unchanged";
  const foreign = statements.filter((statement) => !isOurs(statement));
  const policyText = JSON.stringify({ Version: "2012-10-17", Statement: [...foreign, ...desired] });
  await ecr.send(new SetRepositoryPolicyCommand({ registryId, repositoryName, policyText }));
  return "applied";
}

export async function handler({ detail }) {
  if (detail.eventSource !== "ecr.amazonaws.com" || detail.eventName !== "CreateRepository") {
    return { outcomes: [], ignored: "no repository was created" };
  }
  if (detail.errorCode) return { outcomes: [], ignored: `the call failed with ${detail.errorCode}` };
  const { registryId, repositoryName, repositoryArn } = detail.responseElements.repository;
  const outcome = await bringInLine(registryId, repositoryName);
  console.log(JSON.stringify({ repository: repositoryArn, outcome }));
  return { outcomes: [{ repository: repositoryArn, outcome }] };
}
