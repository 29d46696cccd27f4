//! Whole flows: from the key to what the API server has afterwards. What a dialog looks like is in other tests; here a flow ends
//! with the resource as kubectl shows it.

mod apart;
mod looking;
mod machines;
mod replayed;
mod rollout;
mod scale;
mod settings;

/// A calm cluster with three pools, one in production, and machines to spare.
const FLEET: &str = r#"
    cluster eu-1 version=1.33.6 versions=1.33.6,1.34.2
    pool control replicas=1 role=ControlPlane
    machine c-1 Ready kubelet=1.33.6
    pool gpu replicas=3 selector.gpu=h100
    machine g-1 Ready kubelet=1.33.6
    machine g-2 Ready kubelet=1.33.6
    machine g-3 Ready kubelet=1.33.6
    pool web replicas=12
    machine w-1 Ready kubelet=1.33.6
    machine w-2 Ready kubelet=1.33.6
    machine w-3 Ready kubelet=1.33.6 maintained
    machine w-4 Ready kubelet=1.33.6
    machine w-5 Ready kubelet=1.33.6
    machine w-6 Ready kubelet=1.33.6
    machine w-7 Ready kubelet=1.33.6
    machine w-8 Ready kubelet=1.33.6
    machine w-9 Ready kubelet=1.33.6
    machine w-10 Ready kubelet=1.33.6
    machine w-11 Ready kubelet=1.33.6
    machine w-12 Ready kubelet=1.33.6
    cluster us-2 version=1.33.6 production
    pool web replicas=2
    machine u-1 Ready kubelet=1.33.6
    machine u-2 Ready kubelet=1.33.6
    idle 8 spare- gpu=h100
"#;

/// Things that went wrong: a rollout that is held up by a budget, and an operation that failed.
const TROUBLE: &str = r#"
    cluster eu-1 version=1.33.6 versions=1.33.6,1.34.2
    pool general replicas=5 to=1.33.6 from=1.32.4 updated=2 outdated=3 inflight=1 previous=1.32.4
    machine g-1 Ready kubelet=1.33.6 rev=new
    machine g-2 Ready kubelet=1.33.6 rev=new
    machine g-3 Draining kubelet=1.32.4 rev=old blocked=web/api op=drain-1 phases=Drain:run:252
    machine g-4 Ready kubelet=1.32.4 rev=old
    machine g-5 Ready kubelet=1.32.4 rev=old
    operation drain-1 Replace Draining 0/1 by=bob machines=g-3
    pool gpu replicas=2
    machine m-1 Ready kubelet=1.33.6
    machine m-2 Failed phases=Preflight:ok:3,Kubelet:fail:9 op=grow-1 message="kubelet does not start: no such image"
    operation grow-1 ScaleUp Failed 1/2 by=bob machines=m-2 failed=1
"#;
