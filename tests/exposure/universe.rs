//! The requests that a policy may meet: friends, whom its author could have meant, and strangers.
//!
//! A request has four parts: who calls, of which organization, over which network, and for whom a service acts.
//! Every stranger is strange in all four. Beside the fixed ones there are some made to measure: texts that fit the
//! patterns of the statement at hand, as far as AWS would hand out such an id or let somebody choose such a name.

use std::net::IpAddr;

use serde_json::Value;

use crate::evaluator::{Caller, Request, contains};

pub(crate) const FRIEND: &str = "444455556666";
pub(crate) const FRIENDLY_ORGANIZATION: &str = "o-a1b2c3d4e5";
const STRANGER: &str = "999999999999";

type Context = Vec<(&'static str, Vec<String>)>;

#[derive(Clone)]
struct Part {
    caller: Option<Caller>,
    context: Context,
}

/// Everybody whom the author of a policy could have meant.
pub(crate) fn friends() -> Vec<Request> {
    let arn = format!("arn:aws:iam::{FRIEND}:role/deployer");
    let networks = [
        address("10.1.2.3"),
        address("192.0.2.7"),
        address("2001:db8::7"),
        endpoint("vpc-0123456789abcdef0", "vpce-0123456789abcdef0"),
    ];
    let organization = organization(FRIENDLY_ORGANIZATION, "r-ab12/ou-ab12-11111111/");
    let source =
        source(FRIEND, &format!("arn:aws:codebuild:eu-west-1:{FRIEND}:project/app"), Some(FRIENDLY_ORGANIZATION));
    let signed = networks.iter().map(|network| request([&identity(&arn), &organization, network]));
    signed.chain(["codebuild", "lambda"].map(|name| request([&service(name), &source]))).collect()
}

/// Strangers to whoever wrote the statement. A part of the request that the statement does not ask about is not varied.
pub(crate) fn strangers(statement: &Value) -> Vec<Request> {
    let text = statement.to_string().to_lowercase();
    let asks = |keys: &[&str]| keys.iter().any(|key| text.contains(key));
    let few =
        |parts: Vec<Part>, asked: bool| parts.into_iter().take(if asked { usize::MAX } else { 1 }).collect::<Vec<_>>();
    let fitting = fitting(statement);

    let arns = fitting.iter().filter(|text| is_strange_principal(text)).cloned();
    let mut callers = Vec::from([
        format!("arn:aws:iam::{STRANGER}:user/mallory"),
        format!("arn:aws:iam::{STRANGER}:role/deployer"),
        // A path may hold anything printable, colons too.
        format!("arn:aws:iam::{STRANGER}:role/:{FRIEND}:role/deployer"),
        format!("arn:aws:iam::{STRANGER}:role/x:iam::{FRIEND}:role/deployer"),
        format!("arn:aws-cn:iam::{STRANGER}:role/deployer"),
    ]);
    callers.extend(arns);
    let mut callers = callers.iter().map(|arn| identity(arn)).collect::<Vec<_>>();
    let accounts = fitting.iter().filter(|text| is_strange_account(text));
    callers.extend(accounts.map(|account| identity(&format!("arn:aws:iam::{account}:user/mallory"))));
    let mut callers = few(callers, asks(&["aws:principal", "aws:user"]));
    callers.push(anonymous());

    let own = "r-zz99/ou-zz99-99999999/";
    let mut organizations = vec![
        no_organization(),
        organization("o-zzzzzzzzzz", own),
        // Ids of units are unique only within one organization.
        organization("o-zzzzzzzzzz", "r-ab12/ou-ab12-11111111/"),
        organization("o-a1b2c3d4e5zz", own),
    ];
    organizations.extend(fitting.iter().filter(|text| is_strange_organization(text)).map(|id| organization(id, own)));
    let paths = fitting.iter().filter_map(|text| text.split_once('/'));
    let paths = paths.filter(|(id, path)| is_strange_organization(id) && path.starts_with("r-") && path.ends_with('/'));
    organizations.extend(paths.map(|(id, path)| organization(id, path)));
    let organizations = few(organizations, asks(&["aws:principalorg"]));

    let mut networks = vec![endpoint("vpc-0123456789abcdef1", "vpce-0123456789abcdef1")];
    let addresses =
        ["203.0.113.7", "1.2.3.4", "99.9.9.9", "130.1.1.1", "240.0.0.1", "2600::1", "2001:db9::1", "3fff::1"];
    let addresses = addresses.map(str::to_owned).into_iter().chain(fitting.iter().cloned());
    networks.extend(addresses.filter(|text| is_strange_address(text, statement)).map(|text| address(&text)));
    for id in fitting.iter().filter(|text| is_strange_endpoint(text)) {
        networks.push(if id.starts_with("vpc-") { endpoint(id, "vpce-1") } else { endpoint("vpc-1", id) });
    }
    let networks = few(networks, asks(&["aws:sourceip", "aws:sourcevpc", "aws:vpcsourceip"]));

    let mut sources = vec![
        Part { caller: None, context: Vec::new() },
        source(STRANGER, &format!("arn:aws:codebuild:eu-west-1:{STRANGER}:project/app"), Some("o-zzzzzzzzzz")),
        source(STRANGER, &format!("arn:aws:cloudwatch:eu-west-1:{STRANGER}:alarm:x:{FRIEND}:project/app"), None),
        source(STRANGER, "arn:aws:s3:::mallory", Some("o-a1b2c3d4e5zz")),
    ];
    sources.extend(fitting.iter().filter(|text| is_strange_source(text)).map(|arn| source(STRANGER, arn, None)));
    sources.extend(fitting.iter().filter(|text| is_strange_account(text)).map(|id| source(id, "arn:aws:s3:::x", None)));

    let mut requests = Vec::new();
    for caller in &callers {
        // An organization is an account's; nobody's requests have none.
        let anonymous = caller.caller == Some(Caller::Anonymous);
        for organization in organizations.iter().take(if anonymous { 1 } else { usize::MAX }) {
            requests.extend(networks.iter().map(|network| request([caller, organization, network])));
        }
    }
    for name in ["codebuild", "lambda"] {
        requests.extend(sources.iter().map(|source| request([&service(name), source])));
    }
    requests
}

/// Texts that fit a pattern of the statement, with something strange in the place of each wildcard and variable.
fn fitting(statement: &Value) -> Vec<String> {
    const RUNS: [&str; 13] = [
        "",
        "z",
        "9",
        "99",
        "o-zzzzzzzzzz",
        STRANGER,
        "203.0.113.7",
        "r-zz99/ou-zz99-99999999/",
        ":999999999999:role/x",
        ":iam::999999999999:role/x",
        "iam::999999999999:role/x",
        "eu-west-1:999999999999:alarm:x",
        "eu-west-1:999999999999:function",
    ];
    let mut fitting = Vec::new();
    for pattern in condition_values(statement) {
        for run in RUNS {
            for (one, others) in [("9", run), ("z", run), ("/", "x")] {
                let mut text = pattern.replacen('*', run, 1).replace('*', others).replace('?', one);
                while let Some((start, (_, end))) =
                    text.split_once("${").and_then(|(a, b)| Some((a, b.split_once('}')?)))
                {
                    text = format!("{start}{run}{end}");
                }
                fitting.push(text);
            }
        }
        // The first address of a network, and that of its upper half.
        let network = pattern.split_once('/').map_or(pattern.as_str(), |(network, _)| network);
        fitting.push(network.to_owned());
        fitting.push(network.replacen("0.", "9.", 1));
    }
    fitting.retain(|text| !text.is_empty());
    fitting.sort();
    fitting.dedup();
    // What the statement names to the letter is no stranger to it.
    let named = condition_values(statement);
    fitting.retain(|text| !named.contains(text));
    fitting
}

fn condition_values(statement: &Value) -> Vec<String> {
    let tests = statement.get("Condition").and_then(Value::as_object).into_iter().flat_map(|tests| tests.values());
    let values = tests.filter_map(Value::as_object).flat_map(|keys| keys.values());
    values
        .flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]))
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect()
}

fn is_strange_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) && text != FRIEND
}

/// `o-` and 10 to 32 lower-case letters and digits.
fn is_strange_organization(text: &str) -> bool {
    text != FRIENDLY_ORGANIZATION && text.strip_prefix("o-").is_some_and(|id| is_id(id, 10..=32, 'z'))
}

fn is_strange_endpoint(text: &str) -> bool {
    let id = text.strip_prefix("vpc-").or_else(|| text.strip_prefix("vpce-"));
    id.is_some_and(|id| id != "0123456789abcdef0" && (id.len() == 8 || id.len() == 17) && is_id(id, 8..=17, 'f'))
}

fn is_id(id: &str, length: std::ops::RangeInclusive<usize>, last: char) -> bool {
    length.contains(&id.len()) && id.chars().all(|c| c.is_ascii_digit() || ('a'..=last).contains(&c))
}

/// A role or a user of a stranger's account, whose path and name a stranger chooses.
fn is_strange_principal(text: &str) -> bool {
    let components = text.splitn(6, ':').collect::<Vec<_>>();
    let ["arn", "aws" | "aws-cn" | "aws-us-gov", "iam", "", account, resource] = components.as_slice() else {
        return false;
    };
    let name = resource.strip_prefix("role/").or_else(|| resource.strip_prefix("user/"));
    is_strange_account(account)
        && name.is_some_and(|name| {
            // The path is free, the name after it is not.
            let name = name.rsplit('/').next().unwrap_or_default();
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
        })
        && text.chars().all(|character| ('!'..='~').contains(&character))
}

/// Something of a stranger's for which a service acts. An alarm's name may hold anything, an S3 bucket has no account.
fn is_strange_source(text: &str) -> bool {
    let components = text.splitn(6, ':').collect::<Vec<_>>();
    let ["arn", "aws", service, region, account, resource] = components.as_slice() else { return false };
    match *service {
        "s3" => region.is_empty() && account.is_empty() && !resource.contains(':'),
        "cloudwatch" => is_strange_account(account) && resource.starts_with("alarm:"),
        "codebuild" => is_strange_account(account) && resource.starts_with("project/") && !resource.contains(':'),
        "lambda" => {
            is_strange_account(account) && resource.starts_with("function:") && resource.matches(':').count() <= 2
        }
        _ => false,
    }
}

/// An address in none of the networks that the statement names, where a network wider than /8 or /32 is no name.
fn is_strange_address(text: &str, statement: &Value) -> bool {
    let Ok(address) = text.parse::<IpAddr>() else { return false };
    let named = |network: &String| {
        let width = network.split_once('/').and_then(|(_, width)| width.parse().ok()).unwrap_or(128);
        width >= if address.is_ipv4() { 8 } else { 32 } && contains(network, address)
    };
    let friendly = ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"];
    !friendly.iter().any(|network| contains(network, address)) && !condition_values(statement).iter().any(named)
}

fn request<const N: usize>(parts: [&Part; N]) -> Request {
    let caller = parts.iter().find_map(|part| part.caller.clone()).unwrap_or(Caller::Anonymous);
    let everywhere = [
        ("aws:currenttime", "2026-11-22T12:00:00Z"),
        ("aws:requestedregion", "eu-west-1"),
        ("aws:securetransport", "true"),
        // Whoever calls chooses these.
        ("aws:referer", FRIEND),
        ("aws:useragent", FRIENDLY_ORGANIZATION),
    ];
    let context = everywhere.map(|(key, value)| (key, vec![value.to_owned()])).into_iter();
    let context = context.chain(parts.iter().flat_map(|part| part.context.clone()));
    Request { caller, context: context.map(|(key, values)| (key.to_owned(), values)).collect() }
}

fn one(key: &'static str, value: impl Into<String>) -> (&'static str, Vec<String>) {
    (key, vec![value.into()])
}

/// A user or a role. Tags are the account's own to set.
fn identity(arn: &str) -> Part {
    let account = arn.split(':').nth(4).unwrap_or_default().to_owned();
    let session = arn.contains(":role/").then(|| format!("arn:aws:sts::{account}:assumed-role/deployer/session"));
    let kind = if session.is_some() { "AssumedRole" } else { "User" };
    let context = vec![
        one("aws:principalaccount", &account),
        one("aws:principalarn", arn),
        one("aws:principaltype", kind),
        one("aws:principalisawsservice", "false"),
        one("aws:userid", "AROAZZZZZZZZZZZZZZZZZ:444455556666"),
        one("aws:username", "deployer"),
        one("aws:principaltag/team", "pay"),
        one("aws:principaltag/account", &account),
        one("aws:principaltag/components", format!(":{account}:role/x")),
        // Keys of tags may hold colons.
        one("aws:principaltag/x:444455556666:y", arn.trim_start_matches("arn:aws:")),
    ];
    Part { caller: Some(Caller::Aws { account, arn: arn.to_owned(), session }), context }
}

fn anonymous() -> Part {
    let context = vec![one("aws:principalaccount", "anonymous"), one("aws:principaltype", "Anonymous")];
    Part { caller: Some(Caller::Anonymous), context }
}

fn service(name: &str) -> Part {
    let name = format!("{name}.amazonaws.com");
    let context = vec![
        one("aws:principalisawsservice", "true"),
        one("aws:principalservicename", &name),
        one("aws:principalservicenameslist", &name),
    ];
    Part { caller: Some(Caller::Service(name)), context }
}

fn no_organization() -> Part {
    Part { caller: None, context: Vec::new() }
}

fn organization(id: &str, path: &str) -> Part {
    let context = vec![one("aws:principalorgid", id), one("aws:principalorgpaths", format!("{id}/{path}"))];
    Part { caller: None, context }
}

fn address(address: &str) -> Part {
    Part { caller: None, context: vec![one("aws:sourceip", address)] }
}

/// Addresses within a VPC are private, so that a stranger's may well be the same as a friend's.
fn endpoint(vpc: &str, endpoint: &str) -> Part {
    let context = vec![one("aws:sourcevpc", vpc), one("aws:sourcevpce", endpoint), one("aws:vpcsourceip", "10.1.2.3")];
    Part { caller: None, context }
}

fn source(account: &str, arn: &str, organization: Option<&str>) -> Part {
    let mut context = vec![one("aws:sourceaccount", account), one("aws:sourcearn", arn)];
    if let Some(id) = organization {
        context.push(one("aws:sourceorgid", id));
        context.push(one("aws:sourceorgpaths", format!("{id}/r-zz99/ou-zz99-99999999/")));
    }
    Part { caller: None, context }
}
