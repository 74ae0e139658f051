//! Any order of operations, against a model that a glance can check.
#![cfg(not(loom))]

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use oxbridge_handles::{
    AccessError::{Busy, Stale},
    Guard, Registry,
};
use proptest::{collection::vec, prelude::*};

const STEPS: usize = if cfg!(miri) { 30 } else { 400 };

#[derive(Clone, Debug)]
enum Step {
    Insert { owner: u64 },
    Acquire { pick: usize },
    LetGo { pick: usize },
    Take { pick: usize },
    Remove { pick: usize },
    Discard { pick: usize },
    Close { owner: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (owner, pick) = (0..4_u64, any::<usize>());
    prop_oneof![
        6 => owner.clone().prop_map(|owner| Step::Insert { owner }),
        4 => pick.prop_map(|pick| Step::Acquire { pick }),
        2 => pick.prop_map(|pick| Step::LetGo { pick }),
        1 => pick.prop_map(|pick| Step::Take { pick }),
        4 => pick.prop_map(|pick| Step::Remove { pick }),
        1 => pick.prop_map(|pick| Step::Discard { pick }),
        1 => owner.prop_map(|owner| Step::Close { owner }),
    ]
}

/// A value that tells the order of its drop.
struct Value {
    id: usize,
    dropped: Rc<RefCell<Vec<usize>>>,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.id);
    }
}

/// The value of a handle, as far as the model knows.
struct Known {
    id: usize,
    owner: u64,
    busy: bool,
}

fn check<const I: u32, const G: u32>(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let registry = Registry::<Value, I, G>::new();
    let capacity = (1 << I) - 1;
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let mut gone = Vec::new();
    let mut issued: Vec<u64> = Vec::new();
    let mut known: HashMap<u64, Known> = HashMap::new();
    // Each with its id; that of a closed or discarded value is no longer known.
    let mut guards: Vec<(u64, usize, Guard<'_, Value, I, G>)> = Vec::new();

    for (id, step) in steps.into_iter().enumerate() {
        match step {
            Step::Insert { owner } => {
                let value = Value {
                    id,
                    dropped: dropped.clone(),
                };
                let doomed = guards
                    .iter()
                    .filter(|guard| !known.contains_key(&guard.0))
                    .count();
                match registry.insert(owner, value) {
                    Ok(handle) => {
                        prop_assert!(!issued.contains(&handle), "{handle:#x} came twice");
                        issued.push(handle);
                        known.insert(
                            handle,
                            Known {
                                id,
                                owner,
                                busy: false,
                            },
                        );
                    }
                    Err(value) => {
                        prop_assert_eq!(value.id, id);
                        prop_assert_eq!(known.len() + doomed, capacity);
                        gone.push(id);
                    }
                }
            }
            Step::Acquire { pick } if !issued.is_empty() => {
                let handle = issued[pick % issued.len()];
                match (registry.acquire(handle), known.get_mut(&handle)) {
                    (Ok(guard), Some(value)) if !value.busy => {
                        prop_assert_eq!(guard.id, value.id);
                        value.busy = true;
                        guards.push((handle, value.id, guard));
                    }
                    (Err(Busy), Some(value)) if value.busy => {}
                    (Err(Stale), None) => {}
                    (found, _) => prop_assert!(false, "{:?}", found.err()),
                }
            }
            Step::LetGo { pick } if !guards.is_empty() => {
                let (handle, id, guard) = guards.swap_remove(pick % guards.len());
                drop(guard);
                match known.get_mut(&handle) {
                    Some(value) => value.busy = false,
                    None => gone.push(id),
                }
            }
            Step::Take { pick } if !guards.is_empty() => {
                let (handle, id, guard) = guards.swap_remove(pick % guards.len());
                prop_assert_eq!(guard.take().id, id);
                known.remove(&handle);
                gone.push(id);
            }
            Step::Remove { pick } if !issued.is_empty() => {
                let handle = issued[pick % issued.len()];
                match (registry.remove(handle), known.get(&handle)) {
                    (Ok(value), Some(expected)) if !expected.busy => {
                        prop_assert_eq!(value.id, expected.id);
                        gone.push(value.id);
                        known.remove(&handle);
                    }
                    (Err(Busy), Some(value)) if value.busy => {}
                    (Err(Stale), None) => {}
                    (found, _) => prop_assert!(false, "{:?}", found.err()),
                }
            }
            Step::Discard { pick } if !issued.is_empty() => {
                let handle = issued[pick % issued.len()];
                match (registry.discard(handle), known.remove(&handle)) {
                    (Ok(Some(value)), Some(expected)) if !expected.busy => {
                        prop_assert_eq!(value.id, expected.id);
                        gone.push(value.id);
                    }
                    (Ok(None), Some(value)) if value.busy => {}
                    (Err(Stale), None) => {}
                    (found, _) => prop_assert!(false, "{:?}", found.err()),
                }
            }
            Step::Close { owner } => {
                let mut closed = Vec::new();
                registry.close(owner, |value| closed.push(value.id));
                gone.extend(&closed);
                let mut expected: Vec<usize> = known
                    .values()
                    .filter(|value| value.owner == owner && !value.busy)
                    .map(|value| value.id)
                    .collect();
                known.retain(|_, value| value.owner != owner);
                closed.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(closed, expected);
            }
            _ => {}
        }
        prop_assert_eq!(&*dropped.borrow(), &gone);
        let doomed = guards
            .iter()
            .filter(|guard| !known.contains_key(&guard.0))
            .count();
        prop_assert_eq!(registry.len(), known.len() + doomed);
    }

    drop(guards);
    drop(registry);
    let mut dropped = dropped.take();
    let once = dropped.len();
    dropped.sort_unstable();
    dropped.dedup();
    prop_assert_eq!(dropped.len(), once, "a value was dropped twice");
    prop_assert!(issued.len() <= once, "a value was not dropped");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 200 },
        // Miri has no files to keep failed cases in.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn wide(steps in vec(step(), 0..STEPS)) {
        check::<24, 40>(steps)?;
    }

    #[test]
    fn wide_and_often_full(steps in vec(step(), 0..STEPS)) {
        check::<3, 40>(steps)?;
    }

    // With enough generations that none comes again in a run.
    #[test]
    fn narrow_and_often_full(steps in vec(step(), 0..STEPS)) {
        check::<4, 20>(steps)?;
    }
}
