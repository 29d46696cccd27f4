//! Status in the embedded API server, and what happens when it does not want it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use kube::api::PostParams;

use super::*;
use crate::api::{MachineSpec, OperationSpec, definitions};
use crate::embedded::{ApiServer, Options};

struct World {
    client: Client,
    /// HTTP codes with which the next requests are turned away.
    refusals: Arc<Mutex<VecDeque<u16>>>,
    sink: KubernetesStatus,
}

/// An API server with one machine and one operation, whose other writers have written.
async fn world() -> World {
    let server = ApiServer::open(Options::default()).unwrap();
    server.install(definitions()).await.unwrap();
    let (client, refusals) = (server.client(), Arc::<Mutex<VecDeque<u16>>>::default());
    let spec = MachineSpec { address: "10.0.0.1".into(), ..MachineSpec::default() };
    let machines: Api<Machine> = Api::namespaced(client.clone(), "default");
    machines.create(&PostParams::default(), &Machine::new("m-1", spec)).await.unwrap();
    let spec = OperationSpec { cluster_name: "east".into(), runbook: "r".into(), ..OperationSpec::default() };
    let operations: Api<Operation> = Api::namespaced(client.clone(), "default");
    operations.create(&PostParams::default(), &Operation::new("op-1", spec)).await.unwrap();
    let others = Patch::Merge(json!({"status": {"state": "Provisioning"}}));
    machines.patch_status("m-1", &PatchParams::default(), &others).await.unwrap();
    let others = Patch::Merge(json!({"status": {"state": "Running", "run": 2}}));
    operations.patch_status("op-1", &PatchParams::default(), &others).await.unwrap();
    let sink = KubernetesStatus::new(refusing(client.clone(), Arc::clone(&refusals)), "default");
    World { client, refusals, sink }
}

/// The same client, but that some requests are turned away.
fn refusing(client: Client, refusals: Arc<Mutex<VecDeque<u16>>>) -> Client {
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (client, refusal) = (client.clone(), refusals.lock().unwrap().pop_front());
        async move {
            let Some(code) = refusal else { return client.send(request).await.map_err(tower::BoxError::from) };
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": "Odd", "message": "the object has been modified"});
            let response = http::Response::builder().status(code).header("content-type", "application/json");
            Ok(response.body(kube::client::Body::from(status.to_string().into_bytes()))?)
        }
    });
    Client::new(service, "default")
}

impl World {
    async fn machine(&self) -> Machine {
        Api::namespaced(self.client.clone(), "default").get("m-1").await.unwrap()
    }

    async fn write(&self, uid: &str, phase: &str) -> Result<(), WriteError> {
        self.sink.machine("m-1", uid, json!({"operation": "op-1", "phases": [], "currentPhase": phase})).await
    }
}

#[tokio::test]
async fn only_what_is_the_executors_is_written() {
    let world = world().await;
    let uid = world.machine().await.metadata.uid.unwrap();
    world.write(&uid, "Join").await.unwrap();
    let status = world.machine().await.status.unwrap();
    assert_eq!(status.current_phase.as_deref(), Some("Join"));
    assert_eq!(status.state, Some(crate::api::MachineState::Provisioning), "its state has another writer");
    let progress = json!({"total": 3, "running": 1, "succeeded": 2, "failed": 0, "stepsTotal": 9, "stepsDone": 7});
    world.sink.operation("op-1", json!({"progress": progress, "failures": []})).await.unwrap();
    let operation: Operation = Api::namespaced(world.client.clone(), "default").get("op-1").await.unwrap();
    let status = operation.status.unwrap();
    assert_eq!((status.run, status.progress.unwrap().steps_done), (2, 7));
    let managers = operation.metadata.managed_fields.unwrap();
    assert!(managers.iter().any(|m| m.manager.as_deref() == Some(labels::EXECUTOR_MANAGER)), "{managers:?}");
}

#[tokio::test]
async fn another_machine_of_the_same_name_is_left_alone() {
    let world = world().await;
    let error = world.write("11111111-2222-3333-4444-555555555555", "Join").await.unwrap_err();
    assert!(matches!(error, WriteError::Final(_)), "{error:?}");
    assert_eq!(world.machine().await.status.unwrap().current_phase, None);
    let error = world.sink.machine("m-9", "u", json!({})).await.unwrap_err();
    assert!(matches!(error, WriteError::Final(_)), "there is no such machine: {error:?}");
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_will_not() {
    let world = world().await;
    let uid = world.machine().await.metadata.uid.unwrap();
    for (code, passes) in
        [(409, true), (429, true), (408, true), (500, true), (503, true), (403, false), (422, false), (404, false)]
    {
        world.refusals.lock().unwrap().push_back(code);
        let error = world.write(&uid, "Join").await.unwrap_err();
        assert_eq!(matches!(error, WriteError::Passing(_)), passes, "{code}: {error:?}");
        assert_eq!(world.machine().await.status.unwrap().current_phase, None);
    }
}

#[tokio::test]
async fn a_pause_is_seen_and_silence_is_not_an_answer() {
    let world = world().await;
    assert_eq!(world.sink.paused("op-1").await, Some(false));
    let operations: Api<Operation> = Api::namespaced(world.client.clone(), "default");
    let pause = Patch::Merge(json!({"spec": {"paused": true}}));
    operations.patch("op-1", &PatchParams::default(), &pause).await.unwrap();
    assert_eq!(world.sink.paused("op-1").await, Some(true));
    world.refusals.lock().unwrap().push_back(503);
    assert_eq!(world.sink.paused("op-1").await, None);
    assert_eq!(world.sink.paused("op-9").await, None);
}
