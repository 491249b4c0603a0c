//! What AWS answers where all is well.

pub(super) const FUNCTION_ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:ecr-autopolicy-Function-1A2B";
pub(super) const TRAIL: &str =
    r#"{"Name":"all","TrailARN":"arn:aws:cloudtrail:us-east-1:123456789012:trail/all","HomeRegion":"us-east-1"}"#;
pub(super) const EVENT_SELECTORS: &str = r#""EventSelectors":[{"ReadWriteType":"All","IncludeManagementEvents":true,"ExcludeManagementEventSources":["kms.amazonaws.com"]}]"#;
pub(super) const ADVANCED_ALL: &str = r#""AdvancedEventSelectors":[
    {"FieldSelectors":[{"Field":"eventCategory","Equals":["Data"]}]},
    {"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},
                       {"Field":"eventSource","NotEquals":["kms.amazonaws.com"],"NotStartsWith":["rds"]}]}]"#;
pub(super) const ADVANCED_WITHOUT_ECR: &str = r#""AdvancedEventSelectors":[
    {"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},
                       {"Field":"eventSource","NotStartsWith":["ec"]}]}]"#;
pub(super) const ADVANCED_READS: &str = r#""AdvancedEventSelectors":[
    {"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},{"Field":"readOnly","Equals":["true"]}]}]"#;
pub(super) const ADVANCED_SOME: &str = r#""AdvancedEventSelectors":[
    {"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},
                       {"Field":"userIdentity.arn","NotStartsWith":["arn:aws:sts::123456789012:assumed-role/ci"]}]}]"#;
pub(super) const CONFIGURATION: &str =
    r#"{\"template\": \"organization-ou\", \"with\": {\"org_paths\": [\"o-a1b2c3d4e5/*/ou-ab12-cd34ef56/*\"]}}"#;
pub(super) const MAPPING: &str = r#"{"UUID":"8f7c5a2e","State":"Enabled","EventSourceArn":"arn:aws:sqs:eu-west-1:123456789012:ecr-autopolicy-WorkQueue-1A2B"}"#;

/// An answer to the operation, where the request names what it is about.
type Answer = (&'static str, &'static str, String);

pub(super) fn answers() -> Vec<Answer> {
    // Lines are broken here for the reader; within a JSON text they may not be.
    let json = |operation, about, text: &str| (operation, about, text.lines().map(str::trim_start).collect());
    vec![
        ("DescribeStacks", "ecr-autopolicy", stack()),
        ("DescribeStackResources", "ecr-autopolicy", resources()),
        ("DescribeTrails", "", format!(r#"{{"trailList":[{TRAIL}]}}"#)),
        json("GetTrailStatus", "us-east-1/cloudtrail", r#"{"IsLogging":true}"#),
        ("GetEventSelectors", "us-east-1/cloudtrail", format!("{{{EVENT_SELECTORS}}}")),
        json(
            "DescribeRule",
            "RepositoryCreatedRule",
            r#"{"Arn":"arn:aws:events:eu-west-1:123456789012:rule/ecr-autopolicy-RepositoryCreatedRule-1A2B","State":"ENABLED","EventPattern":"{}"}"#,
        ),
        json(
            "DescribeRule",
            "PolicyChangedRule",
            r#"{"Arn":"arn:aws:events:eu-west-1:123456789012:rule/ecr-autopolicy-PolicyChangedRule-1A2B","State":"ENABLED","EventPattern":"{}"}"#,
        ),
        json(
            "DescribeRule",
            "ScheduleRule",
            r#"{"Arn":"arn:aws:events:eu-west-1:123456789012:rule/ecr-autopolicy-ScheduleRule-1A2B","State":"ENABLED","ScheduleExpression":"rate(1 day)"}"#,
        ),
        json(
            "ListTargetsByRule",
            "PolicyChangedRule",
            r#"{"Targets":[{"Id":"WorkQueue","Arn":"arn:aws:sqs:eu-west-1:123456789012:ecr-autopolicy-WorkQueue-1A2B"}]}"#,
        ),
        ("ListTargetsByRule", "", format!(r#"{{"Targets":[{{"Id":"Function","Arn":"{FUNCTION_ARN}"}}]}}"#)),
        json(
            "GetFunctionConfiguration",
            "ecr-autopolicy-Function-1A2B",
            r#"{"Role":"arn:aws:iam::123456789012:role/ecr-autopolicy-FunctionRole-1A2B","State":"Active",
                "LastUpdateStatus":"Successful","LoggingConfig":{"LogGroup":"/aws/lambda/ecr-autopolicy"},
                "Environment":{"Variables":{"POLICY_PARAMETER":"/ecr-autopolicy/policy","STATEMENT_PREFIX":"AutoPolicy"}}}"#,
        ),
        json("GetFunctionConcurrency", "ecr-autopolicy-Function-1A2B", "{}"),
        json(
            "GetPolicy",
            "ecr-autopolicy-Function-1A2B",
            r#"{"Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[
                {\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",
                 \"Condition\":{\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:events:eu-west-1:123456789012:rule/ecr-autopolicy-RepositoryCreatedRule-1A2B\"}}},
                {\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",
                 \"Condition\":{\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:events:eu-west-1:123456789012:rule/ecr-autopolicy-Schedule*\"}}}]}"}"#,
        ),
        json(
            "GetFunctionEventInvokeConfig",
            "ecr-autopolicy-Function-1A2B",
            r#"{"DestinationConfig":{"OnFailure":{"Destination":"arn:aws:sqs:eu-west-1:123456789012:ecr-autopolicy-FailureQueue-1A2B"}}}"#,
        ),
        (
            "ListEventSourceMappings",
            "ecr-autopolicy-Function-1A2B",
            format!(r#"{{"EventSourceMappings":[{MAPPING}]}}"#),
        ),
        (
            "GetParameter",
            "",
            format!(r#"{{"Parameter":{{"Name":"/ecr-autopolicy/policy","Type":"String","Value":"{CONFIGURATION}"}}}}"#),
        ),
        json("GetQueueAttributes", "FailureQueue", r#"{"Attributes":{"ApproximateNumberOfMessages":"0"}}"#),
        json(
            "GetQueueAttributes",
            "WorkQueue",
            r#"{"Attributes":{"ApproximateNumberOfMessages":"7","Policy":"{\"Statement\":[
                {\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",
                 \"Condition\":{\"ArnEquals\":{\"aws:SourceArn\":[\"arn:aws:events:eu-west-1:123456789012:rule/ecr-autopolicy-PolicyChangedRule-1A2B\"]}}}]}"}}"#,
        ),
    ]
}

fn stack() -> String {
    "<DescribeStacksResponse><DescribeStacksResult><Stacks><member>\
     <StackName>ecr-autopolicy</StackName><CreationTime>2026-11-22T10:00:00Z</CreationTime>\
     <StackStatus>UPDATE_COMPLETE</StackStatus>\
     <Outputs><member><OutputKey>PolicyParameterName</OutputKey><OutputValue>/ecr-autopolicy/policy</OutputValue></member>\
     <member><OutputKey>FunctionRoleArn</OutputKey>\
     <OutputValue>arn:aws:iam::123456789012:role/ecr-autopolicy-FunctionRole-1A2B</OutputValue></member></Outputs>\
     </member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
        .to_owned()
}

fn resources() -> String {
    let queue = |name| format!("https://sqs.eu-west-1.amazonaws.com/123456789012/ecr-autopolicy-{name}-1A2B");
    let named = |name| format!("ecr-autopolicy-{name}-1A2B");
    let resources = [
        ("Function", "AWS::Lambda::Function", named("Function"), "UPDATE_COMPLETE"),
        ("RepositoryCreatedRule", "AWS::Events::Rule", named("RepositoryCreatedRule"), "CREATE_COMPLETE"),
        ("PolicyChangedRule", "AWS::Events::Rule", named("PolicyChangedRule"), "CREATE_COMPLETE"),
        ("ScheduleRule", "AWS::Events::Rule", named("ScheduleRule"), "CREATE_COMPLETE"),
        ("ParameterChangedRule", "AWS::Events::Rule", named("ParameterChangedRule"), "DELETE_COMPLETE"),
        ("WorkQueue", "AWS::SQS::Queue", queue("WorkQueue"), "CREATE_COMPLETE"),
        ("FailureQueue", "AWS::SQS::Queue", queue("FailureQueue"), "CREATE_COMPLETE"),
        ("WorkQueueMapping", "AWS::Lambda::EventSourceMapping", "8f7c5a2e".to_owned(), "CREATE_COMPLETE"),
    ];
    let members = resources.map(|(logical, kind, physical, status)| {
        format!(
            "<member><StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/ecr-autopolicy/6b1c</StackId>\
             <LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId>\
             <ResourceType>{kind}</ResourceType><ResourceStatus>{status}</ResourceStatus>\
             <Timestamp>2026-11-22T10:00:00Z</Timestamp></member>"
        )
    });
    format!(
        "<DescribeStackResourcesResponse><DescribeStackResourcesResult><StackResources>{}</StackResources>\
         </DescribeStackResourcesResult></DescribeStackResourcesResponse>",
        members.concat()
    )
}
