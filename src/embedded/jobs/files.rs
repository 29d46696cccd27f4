//! The files that a pod's volumes give its first container.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, KeyToPath, Pod, Secret, Volume, VolumeProjection},
};
use kube::{Api, Client};

/// How often a `ConfigMap` or a Secret that is missing is looked for again; as with kubelets, the pod waits for it.
const RETRY: Duration = Duration::from_millis(500);

type Files = BTreeMap<String, Vec<u8>>;

/// Reads all mounted files, by absolute path.
pub async fn gather(client: &Client, namespace: &str, pod: &Pod) -> Files {
    let Some(spec) = &pod.spec else { return Files::new() };
    let mounts = spec.containers.first().and_then(|container| container.volume_mounts.clone()).unwrap_or_default();
    let mut files = Files::new();
    for mount in mounts {
        let Some(volume) = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name) else { continue };
        let content = loop {
            match read(client, namespace, volume).await {
                Ok(content) => break content,
                Err(error) => tracing::debug!(%error, volume = volume.name, "a volume is not there yet"),
            }
            tokio::time::sleep(RETRY).await;
        };
        for (name, bytes) in content {
            let path = match &mount.sub_path {
                Some(sub_path) if *sub_path == name => mount.mount_path.clone(),
                Some(_) => continue,
                None => format!("{}/{name}", mount.mount_path.trim_end_matches('/')),
            };
            files.insert(path, bytes);
        }
    }
    files
}

async fn read(client: &Client, namespace: &str, volume: &Volume) -> Result<Files, kube::Error> {
    if let Some(source) = &volume.config_map {
        let optional = source.optional.unwrap_or_default();
        return config_map(client, namespace, &source.name, source.items.as_deref(), optional).await;
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.clone().unwrap_or_default();
        return secret(client, namespace, &name, source.items.as_deref(), source.optional.unwrap_or_default()).await;
    }
    let mut all = Files::new();
    for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
        all.extend(projection(client, namespace, source).await?);
    }
    Ok(all)
}

async fn projection(client: &Client, namespace: &str, source: &VolumeProjection) -> Result<Files, kube::Error> {
    if let Some(source) = &source.config_map {
        let optional = source.optional.unwrap_or_default();
        return config_map(client, namespace, &source.name, source.items.as_deref(), optional).await;
    }
    match &source.secret {
        Some(source) => {
            let optional = source.optional.unwrap_or_default();
            secret(client, namespace, &source.name, source.items.as_deref(), optional).await
        }
        None => Ok(Files::new()),
    }
}

async fn config_map(
    client: &Client,
    namespace: &str,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: bool,
) -> Result<Files, kube::Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = match optional {
        true => api.get_opt(name).await?.unwrap_or_default(),
        false => api.get(name).await?,
    };
    let text = map.data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes()));
    let binary = map.binary_data.unwrap_or_default().into_iter().map(|(key, ByteString(bytes))| (key, bytes));
    Ok(select(text.chain(binary).collect(), items))
}

async fn secret(
    client: &Client,
    namespace: &str,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: bool,
) -> Result<Files, kube::Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match optional {
        true => api.get_opt(name).await?.unwrap_or_default(),
        false => api.get(name).await?,
    };
    let data = secret.data.unwrap_or_default().into_iter().map(|(key, ByteString(bytes))| (key, bytes));
    Ok(select(data.collect(), items))
}

/// All keys by their names, or the listed ones by their paths.
fn select(mut all: Files, items: Option<&[KeyToPath]>) -> Files {
    match items {
        None => all,
        Some(items) => items.iter().filter_map(|item| Some((item.path.clone(), all.remove(&item.key)?))).collect(),
    }
}
