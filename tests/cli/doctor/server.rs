//! The services that `doctor` asks, on loopback, each in its own protocol.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use minicbor::{Decode, Decoder, Encoder, data::Type, decode};
use serde_json::{Map, Value, json};

use super::answers::answers;

/// Something that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Broken {
    /// Answers to the operation say the last text in place of the one before it.
    Says(&'static str, &'static str, &'static str),
    /// Operations whose name contains the first text fail with this code and message, in which `{}` is the operation.
    /// After a space stands what the request must contain.
    Refuses(&'static str, &'static str, &'static str),
}

pub(super) struct Server {
    pub(super) endpoint: String,
    unused: Arc<Mutex<Vec<Broken>>>,
}

impl Server {
    /// Answers for as long as the test runs.
    pub(super) fn start(broken: &[Broken]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let unused = Arc::new(Mutex::new(broken.to_vec()));
        let (left, broken) = (Arc::clone(&unused), broken.to_vec());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (left, broken) = (Arc::clone(&left), broken.clone());
                std::thread::spawn(move || serve(connection.unwrap(), &broken, &left));
            }
        });
        Self { endpoint, unused }
    }

    /// Fails where something that was to be broken was never asked for: such a test would prove nothing.
    pub(super) fn require_all_used(&self) {
        let unused = self.unused.lock().unwrap();
        assert!(unused.is_empty(), "nobody met {unused:?}");
    }
}

/// How a service speaks.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Query,
    Json,
    Rest,
    Cbor,
}

struct Request {
    protocol: Protocol,
    operation: String,
    path: String,
    /// Whose and what it was signed for, the Region and the service among it.
    signature: String,
    body: Vec<u8>,
}

fn serve(mut connection: TcpStream, broken: &[Broken], unused: &Mutex<Vec<Broken>>) {
    let request = Request::read(&connection);
    let used = |each: Broken| unused.lock().unwrap().retain(|other| *other != each);
    let refusal = broken.iter().find_map(|&each| match each {
        Broken::Refuses(about, code, message) if request.is_about(about) => {
            used(each);
            Some((code, message.replace("{}", &request.operation)))
        }
        _ => None,
    });
    let (status, kind, body) = match (&refusal, request.answer()) {
        (Some((code, message)), _) => request.refusal(code, message),
        (None, None) => request.refusal("NobodyAnswers", &request.about()),
        (None, Some(mut text)) => {
            for &each in broken {
                if let Broken::Says(operation, from, to) = each
                    && request.operation == operation
                    && text.contains(from)
                {
                    text = text.replace(from, to);
                    used(each);
                }
            }
            request.sent(&text)
        }
    };
    let length = body.len();
    // Lambda names its errors in a header; the others do not mind.
    let error = refusal.as_ref().map(|(code, _)| format!("x-amzn-errortype: {code}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\nsmithy-protocol: rpc-v2-cbor\r\n{error}content-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    let _ = connection.write_all(&[head.into_bytes(), body].concat());
}

impl Request {
    fn read(connection: &TcpStream) -> Self {
        let mut reader = BufReader::new(connection);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let path = line().split(' ').nth(1).unwrap().to_owned();
        let mut length = 0;
        let mut target = None;
        let mut signature = String::new();
        while let Some((name, value)) = line().split_once(": ") {
            match name.to_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-amz-target" => target = value.split_once('.').map(|(_, operation)| operation.to_owned()),
                "authorization" => signature = value.to_owned(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let action = String::from_utf8_lossy(&body)
            .strip_prefix("Action=")
            .map(|rest| rest.split('&').next().unwrap().to_owned());
        let (protocol, operation) = match (target, action) {
            (Some(operation), _) => (Protocol::Json, operation),
            (_, Some(operation)) => (Protocol::Query, operation),
            _ if path.starts_with("/service/") => (Protocol::Cbor, path.rsplit('/').next().unwrap().to_owned()),
            _ => (Protocol::Rest, rest_operation(&path).to_owned()),
        };
        Self { protocol, operation, path, signature, body }
    }

    /// What the service has to say where all is well.
    fn answer(&self) -> Option<String> {
        match self.operation.as_str() {
            "SimulatePrincipalPolicy" => Some(self.decisions()),
            "GetMetricData" => Some(self.counts()),
            operation => {
                let mut answers = answers().into_iter();
                let answer = answers.find(|(known, wanted, _)| *known == operation && self.about().contains(wanted));
                answer.map(|(_, _, text)| text)
            }
        }
    }

    /// All that the request says, in one text.
    fn about(&self) -> String {
        format!("{} {} {}", self.path, self.signature, String::from_utf8_lossy(&self.body).replace("%2F", "/"))
    }

    fn is_about(&self, about: &str) -> bool {
        let (operation, about) = about.split_once(' ').unwrap_or((about, ""));
        self.operation.contains(operation) && self.about().contains(about)
    }

    /// IAM's decision on each action, a line each.
    fn decisions(&self) -> String {
        let body = String::from_utf8_lossy(&self.body).replace("%3A", ":");
        let members = body.split('&').filter(|member| member.starts_with("ActionNames.member."));
        members.map(|member| format!("{} = allowed\n", member.split_once('=').unwrap().1)).collect()
    }

    /// CloudWatch's count of each metric, a line each.
    fn counts(&self) -> String {
        let Json(request) = minicbor::decode(&self.body).unwrap();
        let time = |name| request.get(name).and_then(Value::as_f64).unwrap();
        // Nothing happened but in the last day as a whole.
        let often = if (time("EndTime") - time("StartTime") - 86_400.0).abs() < 1.0 { 6 } else { 0 };
        let text = |value: &Value, place| value.pointer(place).and_then(Value::as_str).unwrap().to_owned();
        let line = |query: &Value| {
            let name = text(query, "/MetricStat/Metric/MetricName");
            let count = if ["Invocations", "TriggeredRules"].contains(&name.as_str()) { often } else { 0 };
            let (id, namespace) = (text(query, "/Id"), text(query, "/MetricStat/Metric/Namespace"));
            format!("{id} {namespace} {name} {} = {count}\n", text(query, "/MetricStat/Metric/Dimensions/0/Value"))
        };
        request.get("MetricDataQueries").and_then(Value::as_array).unwrap().iter().map(line).collect()
    }

    /// The answer as it goes over the wire.
    fn sent(&self, text: &str) -> (u16, &'static str, Vec<u8>) {
        let body = match self.operation.as_str() {
            "SimulatePrincipalPolicy" => decisions_as_xml(text).into_bytes(),
            "GetMetricData" => counts_as_cbor(text),
            _ => text.as_bytes().to_vec(),
        };
        (200, self.protocol.content_type(), body)
    }

    fn refusal(&self, code: &str, message: &str) -> (u16, &'static str, Vec<u8>) {
        let body = match self.protocol {
            Protocol::Query => format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            )
            .into_bytes(),
            Protocol::Json | Protocol::Rest => json!({ "__type": code, "message": message }).to_string().into_bytes(),
            Protocol::Cbor => {
                let mut encoder = Encoder::new(Vec::new());
                encoder.map(2).unwrap().str("__type").unwrap().str(code).unwrap();
                encoder.str("message").unwrap().str(message).unwrap();
                encoder.into_writer()
            }
        };
        (400, self.protocol.content_type(), body)
    }
}

impl Protocol {
    fn content_type(self) -> &'static str {
        match self {
            Self::Query => "text/xml",
            Self::Json => "application/x-amz-json-1.1",
            Self::Rest => "application/json",
            Self::Cbor => "application/cbor",
        }
    }
}

/// Which call of Lambda this is.
fn rest_operation(path: &str) -> &str {
    let path = path.split('?').next().unwrap();
    match path.rsplit('/').find(|part| !part.is_empty()).unwrap() {
        "configuration" => "GetFunctionConfiguration",
        "concurrency" => "GetFunctionConcurrency",
        "policy" => "GetPolicy",
        "event-invoke-config" => "GetFunctionEventInvokeConfig",
        "event-source-mappings" => "ListEventSourceMappings",
        other => other,
    }
}

fn decisions_as_xml(text: &str) -> String {
    let member = |line: &str| {
        let (action, decision) = line.split_once(" = ").unwrap();
        let (decision, detail) = match decision {
            "boundary" => (
                "implicitDeny",
                "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary>\
                 </PermissionsBoundaryDecisionDetail>",
            ),
            "organization" => (
                "implicitDeny",
                "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>",
            ),
            "depends" => {
                ("implicitDeny", "<MissingContextValues><member>aws:SourceVpc</member></MissingContextValues>")
            }
            decision => (decision, ""),
        };
        format!(
            "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>{detail}</member>"
        )
    };
    let members: String = text.lines().map(member).collect();
    format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>{members}</EvaluationResults>\
         </SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
}

fn counts_as_cbor(text: &str) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder.map(1).unwrap().str("MetricDataResults").unwrap().array(text.lines().count() as u64).unwrap();
    for line in text.lines() {
        let (id, count) = (line.split(' ').next().unwrap(), line.rsplit(' ').next().unwrap());
        encoder.map(2).unwrap().str("Id").unwrap().str(id).unwrap().str("Values").unwrap();
        // CloudWatch leaves out hours in which nothing happened.
        match count.parse::<f64>().unwrap() {
            0.0 => encoder.array(0).unwrap(),
            count => encoder.array(2).unwrap().f64(count - 1.0).unwrap().f64(1.0).unwrap(),
        };
    }
    encoder.into_writer()
}

/// CBOR as JSON; what has no such form is null.
struct Json(Value);

impl<'b, C> Decode<'b, C> for Json {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        Ok(Self(match decoder.datatype()? {
            Type::Map | Type::MapIndef => {
                let members = decoder.map_iter_with::<C, &str, Self>(context)?;
                let members = members.map(|member| member.map(|(key, Self(value))| (key.to_owned(), value)));
                Value::Object(members.collect::<Result<Map<_, _>, _>>()?)
            }
            Type::Array | Type::ArrayIndef => {
                let values = decoder.array_iter_with::<C, Self>(context)?;
                Value::Array(values.map(|value| value.map(|Self(value)| value)).collect::<Result<Vec<_>, _>>()?)
            }
            Type::String => decoder.str()?.into(),
            // A point in time is seconds with a tag.
            Type::Tag => {
                decoder.tag()?;
                return Self::decode(decoder, context);
            }
            Type::F64 => decoder.f64()?.into(),
            _ => {
                decoder.skip()?;
                Value::Null
            }
        }))
    }
}
