//! Calls the C API at random: in any order, with any arguments, on exchanges that live, have ended or
//! never were, inside callbacks and outside.
//!
//! Nothing may crash, panic, hang or leak: at the end of each input every exchange is stale, every drop
//! function has run once, and no descriptor is left. What the header rules out is not done: memory that
//! is not the caller's, a server after it was freed, two threads on one config.

mod abi;
mod arguments;
mod clients;
mod configs;
mod descriptors;
mod exchanges;
mod lent;
mod logs;
mod script;
mod servers;
mod user;
mod world;

use std::sync::Once;

use arbitrary::{Arbitrary, Unstructured};
use oxbridge_capi as _;

use self::arguments::Few;
use self::script::{Opening, Script};
use self::world::world;

/// Who runs the servers.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "each target uses one of them")]
pub(crate) enum Drive {
    /// This thread, in turns: an input does the same each time.
    Host,
    /// Threads of the library: calls meet.
    Library,
}

/// Does what an input says.
pub(crate) fn run(input: &[u8], drive: Drive) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| begin(drive));
    if let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(input)) {
        play(script, drive);
    }
}

/// What the library, the sanitizer and the standard library keep for ever is made here.
fn begin(drive: Drive) {
    configs::touch();
    // The library catches its panics, and has a hook that keeps quiet about them. Here each is a finding.
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::force_capture();
        eprintln!("{panic}\n{trace}");
        std::process::abort();
    }));
    play(
        Script {
            setup: Few(Vec::new()),
            opening: Opening::Nothing,
            steps: Vec::new(),
        },
        drive,
    );
    descriptors::begin();
}

fn play(script: Script, drive: Drive) {
    {
        let mut world = world();
        world.threaded = match drive {
            Drive::Host => false,
            Drive::Library => true,
        };
        world.steps = script.steps.into();
    }
    servers::start_first(script.setup);
    clients::open(script.opening);
    world::play(usize::MAX);
    world::finish();
    descriptors::check();
}
