//! Against the embedded server, in this process.

use clap::Parser;
use kube::api::PostParams;

use super::*;
use crate::{
    api::{MachineSpec, MachineState, MachineStatus, NodePoolSpec, definitions},
    embedded::{ApiServer, Options},
};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

async fn fleet() -> ApiServer {
    let server = ApiServer::open(Options::default()).unwrap();
    server.install(definitions()).await.unwrap();
    let client = server.client();
    let namespace = k8s_openapi::api::core::v1::Namespace {
        metadata: kube::api::ObjectMeta { name: Some("fleet".into()), ..Default::default() },
        ..Default::default()
    };
    let _ = Api::all(client.clone()).create(&PostParams::default(), &namespace).await;
    let machines: Api<Machine> = Api::namespaced(client.clone(), "fleet");
    for n in [1, 2, 10] {
        let spec = MachineSpec { address: format!("10.0.0.{n}"), ..MachineSpec::default() };
        let mut machine = Machine::new(&format!("m-{n}"), spec);
        machine.metadata.labels = Some([("rack".to_owned(), format!("r{n}"))].into());
        let machine = machines.create(&PostParams::default(), &machine).await.unwrap();
        let state = if n == 2 { MachineState::Failed } else { MachineState::Idle };
        let status = MachineStatus { state: Some(state), ..MachineStatus::default() };
        let machine = Machine { status: Some(status), ..machine };
        machines.replace_status(&format!("m-{n}"), &PostParams::default(), &machine).await.unwrap();
    }
    let pools: Api<NodePool> = Api::namespaced(client, "fleet");
    let spec = NodePoolSpec { cluster_name: "eu-1".into(), replicas: 3, ..NodePoolSpec::default() };
    pools.create(&PostParams::default(), &NodePool::new("eu-1-gpu", spec)).await.unwrap();
    server
}

/// What `quarterdeck get …` prints, or the sentence and the exit code that it ends with.
async fn get(server: &ApiServer, line: &str) -> Result<String, (Exit, String)> {
    let args = Line::parse_from(std::iter::once("get").chain(line.split(' '))).args;
    let run = async {
        let mut query = Query::new(&args)?;
        query.know_pools(&server.client(), Some("fleet"), args.resource).await?;
        let table = Table::new(args.resource, args.output == Output::Wide, args.all_namespaces, false, None);
        let mut out = Vec::new();
        let api = api(server.client(), Some("fleet"), args.resource);
        list(&api, &args, Some("fleet"), View { query, table }, &mut out).await?;
        Ok::<_, color_eyre::Report>(String::from_utf8(out)?)
    };
    run.await.map_err(|error| {
        let ended = error.downcast_ref::<Ended>().expect("errors here know their exit code");
        (ended.exit, ended.message.clone())
    })
}

#[tokio::test]
async fn tables_lists_and_mistakes() {
    let server = fleet().await;
    let table = get(&server, "machines").await.unwrap();
    let rows: Vec<Vec<_>> = table.lines().map(|l| l.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATE"]);
    assert!(rows.contains(&vec!["m-2", "Failed"]) && rows.len() == 4, "{table}");

    assert_eq!(get(&server, "machines state=failed -o name").await.unwrap(), "machine/m-2\n");
    assert_eq!(get(&server, "machines -l rack=r10 -o name").await.unwrap(), "machine/m-10\n");
    assert_eq!(get(&server, "machines m-1 -o name").await.unwrap(), "machine/m-1\n");
    assert_eq!(get(&server, "pools eu-1/gpu -o name").await.unwrap(), "pool/eu-1-gpu\n");
    assert_eq!(get(&server, "pools eu-1/eu-1-gpu -o name").await.unwrap(), "pool/eu-1-gpu\n");
    assert_eq!(get(&server, "pools eu/1-gpu").await.unwrap_err().0, Exit::NotFound, "no pool of another cluster");
    assert!(get(&server, "pools -o wide").await.unwrap().contains("SELECTOR"));

    let json: serde_json::Value = serde_json::from_str(&get(&server, "machines -o json").await.unwrap()).unwrap();
    assert_eq!((json["kind"].as_str(), json["items"].as_array().unwrap().len()), (Some("List"), 3));
    assert_eq!(json["items"][0]["kind"], "Machine");
    assert_eq!(json["items"][0]["apiVersion"], "quarterdeck.dev/v1alpha1");
    let none: serde_json::Value = serde_json::from_str(&get(&server, "operations -o json").await.unwrap()).unwrap();
    assert_eq!(none["items"], serde_json::json!([]));
    let yaml = get(&server, "machines -o yaml").await.unwrap();
    let read: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(read["items"], json["items"], "{yaml}");

    let (exit, message) = get(&server, "pools nope").await.unwrap_err();
    assert_eq!(exit, Exit::NotFound);
    assert!(message.starts_with("there is no pool nope in namespace fleet:  quarterdeck get pools"), "{message}");
    let (exit, _) = get(&server, "machines m-1 m-3 state=idle").await.unwrap_err();
    assert_eq!(exit, Exit::NotFound, "a test beside it does not hide that a name is wrong");
    let (exit, message) = get(&server, "machines state=redy").await.unwrap_err();
    assert_eq!(exit, Exit::BadInput);
    assert!(message.contains("column 7: there is no `redy` here"), "{message}");
}

#[test]
fn operations_come_as_in_the_console() {
    let mut table = Table::new(Listed::Operations, true, false, false, None);
    let ago = |minutes: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(minutes)).to_string();
    let mut push = |name: &str, created: i64, status: serde_json::Value| {
        let object = serde_json::json!({
            "apiVersion": "quarterdeck.dev/v1alpha1", "kind": "Operation",
            "metadata": {"name": name, "creationTimestamp": ago(created)},
            "spec": {"type": "ScaleUp", "clusterName": "eu", "runbook": "r", "machines": [{"name": "m", "uid": "u"}]},
            "status": status,
        });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let row = Row::read(&object, Listed::Operations, &mut Interner::default()).expect("an operation");
        table.push(&row);
    };
    let progress =
        serde_json::json!({"total": 5, "succeeded": 2, "failed": 1, "running": 0, "stepsTotal": 0, "stepsDone": 0});
    push("a", 100, serde_json::json!({"state": "Succeeded", "finishedAt": ago(90)}));
    push("b", 400, serde_json::json!({"state": "Cancelled", "finishedAt": ago(12), "progress": progress}));
    push("c", 30, serde_json::json!({"state": "Running"}));
    let mut out = Vec::new();
    table.print(&mut out).expect("printed");
    let out = String::from_utf8(out).expect("text");
    let columns = |line: &str, at: &[usize]| {
        let words: Vec<&str> = line.split_whitespace().collect();
        at.iter().map(|n| words[*n].to_owned()).collect::<Vec<_>>().join(" ")
    };
    let said: Vec<String> = out.lines().map(|line| columns(line, &[0, 8, 9])).collect();
    assert_eq!(said, ["NAME AGE SKIPPED", "c 30m -", "b 12m 2", "a 90m 1"], "{out}");
}
