//! A cluster whose network delays, drops and cuts, and whose nodes restart: what has been acknowledged is
//! never followed by something older.
//!
//! Every key has one writer, which counts up: it writes the number to the database that the getters read, and
//! then sets or deletes the key in the cluster. When that is acknowledged, every read that begins
//! afterwards, at any node, must give that number or a later one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oxbridge::Server;
use oxbridge::listen::{Bind, LocalAddr};
use oxbridge_cache::{Dialect, Group, Instance, Peers, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const NODES: usize = 4;
const KEYS: usize = 12;
const READERS: usize = 6;
const TIMEOUT: Duration = Duration::from_millis(120);
const RUN: Duration = Duration::from_secs(6);

/// The way to a node, which may be bad.
struct Link {
    address: String,
    target: Mutex<SocketAddr>,
    weather: AtomicU8,
}

const FAIR: u8 = 0;
/// Every piece takes its time, some longer than anybody waits.
const SLOW: u8 = 1;
/// Nothing gets through, and what is on its way arrives when the weather changes.
const STUCK: u8 = 2;
/// Connections break, and none can be made.
const CUT: u8 = 3;

impl Link {
    async fn open(dice: Dice) -> Arc<Link> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let link = Arc::new(Link {
            address: format!("http://{}", listener.local_addr().expect("it has one")),
            target: Mutex::new(([127, 0, 0, 1], 1).into()),
            weather: AtomicU8::new(FAIR),
        });
        let serving = link.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(serving.clone().carry(near, dice.fork()));
            }
        });
        link
    }

    async fn carry(self: Arc<Self>, near: TcpStream, dice: Dice) {
        if self.weather.load(SeqCst) == CUT {
            return;
        }
        let target = *self.target.lock().expect("nobody panics");
        let Ok(far) = TcpStream::connect(target).await else {
            return;
        };
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        tokio::select! {
            () = self.pass(near_in, far_out, dice.fork()) => {}
            () = self.pass(far_in, near_out, dice.fork()) => {}
        }
    }

    /// Carries bytes one way, through whatever weather there is.
    async fn pass(
        &self,
        mut from: tokio::net::tcp::OwnedReadHalf,
        mut to: tokio::net::tcp::OwnedWriteHalf,
        dice: Dice,
    ) {
        let mut piece = vec![0; 16 << 10];
        loop {
            let read = match from.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            loop {
                match self.weather.load(SeqCst) {
                    CUT => return,
                    STUCK => tokio::time::sleep(Duration::from_millis(5)).await,
                    SLOW => {
                        // Some arrive long after they have been given up, and are overtaken by others.
                        let millis = dice.below(2) * dice.below(600);
                        tokio::time::sleep(Duration::from_millis(millis)).await;
                        break;
                    }
                    _ => break,
                }
            }
            if to.write_all(&piece[..read]).await.is_err() {
                return;
            }
        }
    }
}

/// Numbers that look random and are the same for the same seed.
#[derive(Clone)]
struct Dice(Arc<AtomicU64>);

impl Dice {
    fn roll(&self) -> u64 {
        // SplitMix64 (G. Steele, D. Lea and C. Flood, 2014).
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, SeqCst);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn fork(&self) -> Dice {
        Dice(Arc::new(AtomicU64::new(self.roll())))
    }
}

/// What the getters read, and what has been acknowledged of each key.
struct World {
    database: Vec<AtomicUsize>,
    acknowledged: Vec<AtomicUsize>,
    nodes: Vec<Mutex<Node>>,
    over: AtomicBool,
}

struct Node {
    group: Group,
    _server: Server,
}

fn key(number: usize) -> String {
    format!("key {number}")
}

fn start(world: &std::sync::Weak<World>, me: &str, dice: Dice) -> (Node, SocketAddr) {
    let peers = Peers::new(Dialect::Oxbridge, me).timeout(TIMEOUT);
    let cache = Instance::with_peers(peers);
    let world = world.clone();
    let group = cache.group("numbers").getter(move |key: Bytes| {
        let (world, dice) = (world.clone(), dice.clone());
        async move {
            let number: usize = std::str::from_utf8(&key[4..])
                .ok()
                .and_then(|text| text.parse().ok())
                .expect("the keys are ours");
            let world = world.upgrade().expect("the world lasts");
            let value = world.database[number].load(SeqCst);
            // What was read grows old before it is handed over.
            tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
            Ok(Value::new(value.to_string()))
        }
    });
    let server = cache.serve("127.0.0.1:0".parse::<Bind>().expect("an address"));
    let server = server.expect("it listens");
    let LocalAddr::Tcp(place) = server.addresses()[0] else {
        unreachable!("it is bound to TCP");
    };
    let node = Node {
        group: group.expect("the group is new"),
        _server: server,
    };
    INSTANCES
        .lock()
        .expect("nobody panics")
        .push((me.to_owned(), cache));
    (node, place)
}

/// Instances by their address, the newest last: to tell them of their peers.
static INSTANCES: Mutex<Vec<(String, Instance)>> = Mutex::new(Vec::new());

fn introduce(me: &str, addresses: &[String]) {
    let instances = INSTANCES.lock().expect("nobody panics");
    let (_, newest) = instances
        .iter()
        .rev()
        .find(|(address, _)| address == me)
        .expect("it has been started");
    newest.set_peers(addresses).expect("good addresses");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_never_followed_by_something_older() {
    let seed = std::env::var("OXBRIDGE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| {
        use std::hash::BuildHasher as _;
        std::hash::RandomState::new().hash_one(0_u8)
    });
    let dice = Dice(Arc::new(AtomicU64::new(seed)));
    let mut links = Vec::new();
    for _ in 0..NODES {
        links.push(Link::open(dice.fork()).await);
    }
    let addresses: Vec<String> = links.iter().map(|link| link.address.clone()).collect();
    let world = Arc::new_cyclic(|world| World {
        database: (0..KEYS).map(|_| AtomicUsize::new(0)).collect(),
        acknowledged: (0..KEYS).map(|_| AtomicUsize::new(0)).collect(),
        nodes: links
            .iter()
            .map(|link| {
                let (node, place) = start(world, &link.address, dice.fork());
                *link.target.lock().expect("nobody panics") = place;
                Mutex::new(node)
            })
            .collect(),
        over: AtomicBool::new(false),
    });
    for address in &addresses {
        introduce(address, &addresses);
    }

    let mut tasks = Vec::new();
    for number in 0..KEYS {
        tasks.push(tokio::spawn(write(world.clone(), number, dice.fork())));
    }
    for _ in 0..READERS {
        tasks.push(tokio::spawn(read(world.clone(), seed, dice.fork())));
    }
    let chaos = tokio::spawn(storm(world.clone(), links.clone(), addresses, dice.fork()));
    tokio::time::sleep(RUN).await;
    world.over.store(true, SeqCst);
    chaos.await.expect("the storm ends");
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("every promise was kept");
    }
    // The run is worth something only if both got through, and often.
    let acknowledged: usize = world.acknowledged.iter().map(|n| n.load(SeqCst)).sum();
    assert!(
        acknowledged > KEYS,
        "{acknowledged} writes acknowledged, seed {seed}"
    );
    assert!(done > 1000, "{done} reads and writes, seed {seed}");
}

async fn write(world: Arc<World>, number: usize, dice: Dice) -> usize {
    let mut attempts = 0;
    while !world.over.load(SeqCst) {
        attempts += 1;
        let value = world.database[number].fetch_add(1, SeqCst) + 1;
        let group = some_node(&world, &dice);
        let outcome = if dice.below(2) == 0 {
            group.set(key(number), value.to_string()).await
        } else {
            group.delete(key(number)).await
        };
        if outcome.is_ok() {
            world.acknowledged[number].store(value, SeqCst);
        }
        tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
    }
    attempts
}

async fn read(world: Arc<World>, seed: u64, dice: Dice) -> usize {
    let mut reads = 0;
    while !world.over.load(SeqCst) {
        reads += 1;
        // What is here is given at once, and the others want the thread too.
        tokio::task::yield_now().await;
        let number = dice.below(KEYS as u64) as usize;
        let least = world.acknowledged[number].load(SeqCst);
        let group = some_node(&world, &dice);
        let outcome = if dice.below(4) == 0 {
            // Among others, so that bulk requests are put to the test too.
            let keys = (0..KEYS).map(key);
            group.get_many(keys).await.swap_remove(number)
        } else {
            group.get(key(number)).await
        };
        // An error is an answer: the owner's node may just have ended.
        let Ok(value) = outcome else {
            continue;
        };
        let value = std::str::from_utf8(value.bytes()).expect("digits");
        let value: usize = value.parse().expect("digits");
        assert!(
            value >= least,
            "key {number}: {value} was read, and {least} had been acknowledged; seed {seed}"
        );
        assert!(value <= world.database[number].load(SeqCst));
    }
    reads
}

fn some_node(world: &World, dice: &Dice) -> Group {
    let place = dice.below(NODES as u64) as usize;
    world.nodes[place]
        .lock()
        .expect("nobody panics")
        .group
        .clone()
}

async fn storm(world: Arc<World>, links: Vec<Arc<Link>>, addresses: Vec<String>, dice: Dice) {
    while !world.over.load(SeqCst) {
        let place = dice.below(NODES as u64) as usize;
        match dice.below(8) {
            0..=3 => links[place].weather.store(FAIR, SeqCst),
            4 => links[place].weather.store(SLOW, SeqCst),
            5 => links[place].weather.store(STUCK, SeqCst),
            6 => links[place].weather.store(CUT, SeqCst),
            _ => {
                let (node, at) = start(&Arc::downgrade(&world), &addresses[place], dice.fork());
                introduce(&addresses[place], &addresses);
                // The old one is no longer asked by anybody before the new one is.
                let old = std::mem::replace(&mut *world.nodes[place].lock().expect("lasts"), node);
                *links[place].target.lock().expect("nobody panics") = at;
                let ended = tokio::task::spawn_blocking(move || drop(old));
                ended.await.expect("it ends");
            }
        }
        tokio::time::sleep(Duration::from_millis(20 + dice.below(80))).await;
        if dice.below(3) == 0 {
            // Now and then the sky clears, or nothing would ever be acknowledged.
            for link in &links {
                link.weather.store(FAIR, SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    for link in &links {
        link.weather.store(FAIR, SeqCst);
    }
}
