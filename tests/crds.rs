//! The definitions of our kinds: the committed files are what the program prints, every rule compiles, and a real
//! kube-apiserver would accept them. `UPDATE=1 cargo test --test crds` writes the files anew.

use std::{fs, path::Path};

use quarterdeck::{api::definitions, commands::crds::documents, embedded::schema::Structural};
use serde_json::{Value, json};

#[test]
fn the_committed_files_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/crds");
    let documents = documents().expect("the definitions serialise");
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(&folder).expect("the folder can be made");
        documents.iter().for_each(|(name, text)| fs::write(folder.join(name), text).expect("the file can be written"));
    }
    for (name, text) in &documents {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *text,
            "config/crds/{name} is not what the program prints: UPDATE=1 cargo test --test crds"
        );
    }
    let files = fs::read_dir(&folder).expect("config/crds is there").map(|f| f.expect("an entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    assert_eq!(files.count(), documents.len(), "config/crds has files of kinds that are no more");
    let listed = fs::read_to_string(folder.join("kustomization.yml")).expect("kustomization.yml is there");
    for (name, _) in &documents {
        assert!(listed.contains(&format!("\n- {name}\n")), "config/crds/kustomization.yml does not list {name}");
    }
}

/// The schema of a kind.
fn schema(kind: &str) -> Value {
    let all = definitions();
    let definition = all.iter().find(|d| d.spec.names.kind == kind).expect("the kind exists");
    json!(definition.spec.versions[0].schema)["openAPIV3Schema"].clone()
}

#[test]
fn every_schema_is_structural_and_every_rule_compiles() {
    for definition in definitions() {
        for version in &definition.spec.versions {
            let schema = &json!(version.schema)["openAPIV3Schema"];
            Structural::parse(schema).unwrap_or_else(|error| panic!("{}: {error}", definition.spec.names.kind));
        }
    }
}

/// kube-apiserver estimates what a rule may cost, and takes what has no bound for enormous: whatever a rule compares or
/// searches, strings and lists, needs maxLength or maxItems.
#[test]
fn what_rules_touch_is_bounded() {
    for definition in definitions() {
        let kind = &definition.spec.names.kind;
        walk(kind, &schema(kind), &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let rule = rule["rule"].as_str().unwrap_or_default();
                if node["type"] == "string" {
                    assert!(bounded(node), "{path}: {rule} reads a string without maxLength");
                }
                for (name, field) in node["properties"].as_object().into_iter().flatten() {
                    let touched = [format!("self.{name}"), format!("oldSelf.{name}")];
                    if touched.iter().any(|word| mentions(rule, word)) && !rule.contains(&format!("self.{name}.")) {
                        assert!(bounded(field), "{path}.{name}: {rule} reads it without a bound");
                    }
                }
            }
        });
    }
}

/// The estimate of a rule in a list is multiplied by what the list may hold.
#[test]
fn lists_with_rules_in_them_are_bounded() {
    for definition in definitions() {
        let kind = &definition.spec.names.kind;
        walk(kind, &schema(kind), &mut |path, node| {
            for (part, bound) in [("items", "maxItems"), ("additionalProperties", "maxProperties")] {
                let mut rules = 0;
                walk(path, &node[part], &mut |_, below| {
                    rules += usize::from(below["x-kubernetes-validations"].is_array())
                });
                assert!(
                    rules == 0 || node[bound].is_u64(),
                    "{path} holds any number of values with rules: it needs {bound}"
                );
            }
        });
    }
}

/// Whether a rule names a field, and not only a longer one.
fn mentions(rule: &str, word: &str) -> bool {
    rule.match_indices(word).any(|(at, _)| !rule[at + word.len()..].starts_with(|c: char| c.is_alphanumeric()))
}

fn bounded(field: &Value) -> bool {
    match field["type"].as_str() {
        Some("string") => field["maxLength"].is_u64() || field["enum"].is_array(),
        Some("array") => {
            let items = &field["items"];
            let fields = items["properties"].as_object().into_iter().flatten();
            field["maxItems"].is_u64()
                && (items["type"] == "object" || bounded(items))
                && fields.clone().all(|(_, f)| bounded(f))
        }
        Some("object") => field["maxProperties"].is_u64() || field["properties"].is_object(),
        _ => true,
    }
}

fn walk(path: &str, node: &Value, see: &mut impl FnMut(&str, &Value)) {
    see(path, node);
    for (name, field) in node["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, see);
    }
    for part in ["items", "additionalProperties"] {
        if node[part].is_object() {
            walk(&format!("{path}[]"), &node[part], see);
        }
    }
}

/// Validates a specification, after an old one if there is one, and expects the sentence; none means that it is valid.
#[track_caller]
fn check(kind: &str, spec: &Value, old: Option<&Value>, expected: &str) {
    let schema = Structural::parse(&schema(kind)).expect("it is structural");
    let object = |spec: &Value| {
        let mut object =
            json!({"apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
        schema.fill_defaults(&mut object);
        object
    };
    let errors = schema.validate(&object(spec), old.map(object).as_ref());
    let said: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
    match expected {
        "" => assert_eq!(said, Vec::<String>::new()),
        expected => assert!(said.iter().any(|said| said.contains(expected)), "{said:?} does not say {expected:?}"),
    }
}

#[test]
fn rules_speak_clearly() {
    let pool = |name: &str, role: &str, replicas: i32| json!({"clusterName": name, "role": role, "replicas": replicas});
    check("NodePool", &pool("a", "Worker", 0), None, "");
    check("NodePool", &pool("a", "ControlPlane", 0), None, "a control plane needs at least one replica");
    check("NodePool", &pool("b", "Worker", 1), Some(&pool("a", "Worker", 1)), "make a new pool instead");
    check("NodePool", &pool("a", "Waiter", 1), None, r#"Unsupported value: "Waiter": supported values: "Worker""#);
    check("NodePool", &json!({"replicas": 1}), None, "spec.clusterName: Required value");

    let version = |version: &str| json!({"version": version});
    check("ClusterDeployment", &version("1.34.2"), None, "");
    check("ClusterDeployment", &version("v1.34"), None, "version must look like 1.34.2, without a leading v");

    let of = |replicas: i32| json!({"version": "1.34.2", "pools": [{"name": "cp", "role": "ControlPlane", "replicas": replicas}]});
    check("ClusterDeployment", &of(3), None, "");
    check("ClusterDeployment", &of(0), None, "a control plane needs at least one replica: say how many");

    let claim_of = |uid: &str, pool: &str| json!({"address": "h", "claimRef": {"name": "s", "uid": uid, "clusterName": "c", "poolName": pool}});
    let claim = |uid: &str| claim_of(uid, "p");
    check("Machine", &claim("2"), Some(&json!({"address": "h"})), "");
    check("Machine", &json!({"address": "h"}), Some(&claim("1")), "");
    check("Machine", &claim("2"), Some(&claim("1")), "");
    let other = claim_of("2", "q");
    check("Machine", &other, Some(&claim("1")), "claimed by another pool: it has to be released first");
    check("Machine", &json!({"address": "h", "port": 70_000}), None, "should be less than or equal to 65535");

    let rolling = |surge: Value, unavailable: Value| {
        let strategy = json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}});
        json!({"clusterName": "a", "rollout": {"strategy": strategy}})
    };
    check("NodePool", &rolling(json!(1), json!("10%")), None, "");
    check("NodePool", &rolling(json!(0), json!("0%")), None, "maxSurge and maxUnavailable cannot both be 0");
    check("NodePool", &rolling(json!("ten"), json!(1)), None, "should match '^[0-9]+%$'");
    check("NodePool", &rolling(json!(-1), json!(1)), None, "should be greater than or equal to 0");

    let set = |revision: &str| json!({"clusterName": "c", "poolName": "p", "revision": revision});
    check("MachineSet", &set("b"), Some(&set("a")), "a set belongs to one revision of one pool for good");

    let operation = |uid: &str| json!({"type": "ScaleUp", "clusterName": "c", "runbook": "node-join", "machines": [{"name": "m", "uid": uid}]});
    check("Operation", &operation("1"), Some(&operation("1")), "");
    check("Operation", &operation("2"), Some(&operation("1")), "an operation is a record");
}
