//! A vhost-user back-end on the rust-vmm crates: it reports the shared memory regions it was told to,
//! sends SHMEM_MAP and SHMEM_UNMAP on command, and prints what its process was answered.
//!
//! It has no data path: no queue has a worker thread. The crate cannot serve two connections with one
//! handler (a second SET_OWNER is refused), so every front-end gets a new one.

mod log;
mod options;
mod step;

use std::io::{self, BufRead};
use std::process::exit;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use vhost::vhost_user::message::{VhostUserProtocolFeatures, VhostUserShMemConfig, VhostUserVirtioFeatures};
use vhost::vhost_user::{Backend, Listener};
use vhost_user_backend::{VhostUserBackend, VhostUserDaemon, VringRwLock};
use vm_memory::{GuestMemoryAtomic, GuestMemoryMmap};
use vmm_sys_util::epoll::EventSet;

use options::{Options, When};

const VIRTIO_F_VERSION_1: u64 = 1 << 32;
const NUM_QUEUES: usize = 1;
const MAX_QUEUE_SIZE: usize = 64;

/// What the connection handler tells the threads that send requests.
#[derive(Default)]
struct Link {
    state: Mutex<LinkState>,
    changed: Condvar,
}

#[derive(Default)]
struct LinkState {
    /// Number of connections that have ended: a thread that sees it change belongs to an old one.
    ended: u64,
    backend: Option<Backend>,
    /// How far the front-end has come.
    reached: Option<When>,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().expect("no thread panics while it holds the link")
    }

    /// Forgets the connection, which also closes its back-end channel.
    fn end(&self) {
        let mut state = self.lock();
        *state = LinkState { ended: state.ended + 1, ..LinkState::default() };
        self.changed.notify_all();
    }

    fn reach(&self, point: When) {
        let mut state = self.lock();
        state.reached = state.reached.max(Some(point));
        self.changed.notify_all();
    }

    /// Blocks until the front-end has come this far; false when it left before.
    fn wait_for(&self, point: When, connection: u64) -> bool {
        let waiting = |state: &mut LinkState| state.ended == connection && state.reached < Some(point);
        let state = self.changed.wait_while(self.lock(), waiting).expect("as in lock()");
        state.ended == connection
    }
}

/// The device as one front-end sees it.
struct Device {
    options: Arc<Options>,
    link: Arc<Link>,
}

impl VhostUserBackend for Device {
    type Bitmap = ();
    type Vring = VringRwLock;

    fn num_queues(&self) -> usize {
        NUM_QUEUES
    }

    fn max_queue_size(&self) -> usize {
        MAX_QUEUE_SIZE
    }

    fn features(&self) -> u64 {
        VIRTIO_F_VERSION_1 | VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits()
    }

    fn protocol_features(&self) -> VhostUserProtocolFeatures {
        let mut features = VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::BACKEND_REQ
            | VhostUserProtocolFeatures::BACKEND_SEND_FD
            | VhostUserProtocolFeatures::SHMEM;
        features.set(VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS, self.options.mem_slots);
        features
    }

    fn set_event_idx(&self, _enabled: bool) {}

    /// A front-end sends its memory table when it starts the device, and not before.
    fn update_memory(&self, _memory: GuestMemoryAtomic<GuestMemoryMmap>) -> io::Result<()> {
        self.link.reach(When::Started);
        Ok(())
    }

    /// No queue is served, so the crate starts no worker and needs no exit event to stop one.
    fn queues_per_thread(&self) -> Vec<u64> {
        Vec::new()
    }

    fn handle_event(
        &self,
        _event: u16,
        _set: EventSet,
        _vrings: &[VringRwLock],
        _thread: usize,
    ) -> io::Result<()> {
        Ok(())
    }

    /// The steps run on a thread of their own: the front-end cannot answer a request before this
    /// handler has returned.
    fn set_backend_req_fd(&self, backend: Backend) {
        let connection = {
            let mut state = self.link.lock();
            state.backend = Some(backend.clone());
            state.reached = state.reached.max(Some(When::HasChannel));
            state.ended
        };
        let (options, link) = (self.options.clone(), self.link.clone());
        thread::spawn(move || {
            if link.wait_for(options.when, connection) {
                options.steps.iter().for_each(|step| say(step.run(Some(&backend), &options.log)));
            }
        });
    }

    fn get_shmem_config(&self) -> io::Result<VhostUserShMemConfig> {
        self.link.reach(When::ConfigAsked);
        let count = self.options.sizes.iter().filter(|&&size| size != 0).count();
        Ok(VhostUserShMemConfig::new(count as u32, &self.options.sizes))
    }
}

/// One line, at once: whoever reads us waits for it.
fn say(line: String) {
    use io::Write;
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        exit(1);
    }
}

/// Runs the steps that come on stdin; its end ends the program, unless it is to hold.
fn follow_stdin(options: &Options, link: &Link) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match step::parse_all(&line) {
            Ok(steps) => {
                for step in steps {
                    let backend = link.lock().backend.clone();
                    say(step.run(backend.as_ref(), &options.log));
                }
            }
            Err(error) => say(format!("{} -> not a step: {error}", line.trim())),
        }
    }
    if !options.hold {
        let _ = std::fs::remove_file(&options.socket);
        exit(0);
    }
}

fn serve(options: Arc<Options>) -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = Listener::new(&options.socket, true)?;
    say(format!("listening on {}", options.socket));
    let link = Arc::new(Link::default());
    let (stdin_options, stdin_link) = (options.clone(), link.clone());
    thread::spawn(move || follow_stdin(&stdin_options, &stdin_link));
    loop {
        let device = Arc::new(Device { options: options.clone(), link: link.clone() });
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let mut daemon =
            VhostUserDaemon::new("vhost-user".to_owned(), device, memory).map_err(|e| e.to_string())?;
        daemon.start(&mut listener).map_err(|e| e.to_string())?;
        say("front-end connected".to_owned());
        let reason = daemon.wait().map_or_else(|e| e.to_string(), |()| "closed".to_owned());
        link.end();
        say(format!("front-end gone: {reason}"));
    }
}

fn main() {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("rust-shmem-backend: {message}\n{}", options::USAGE);
            exit(2);
        }
    };
    if let Err(error) = serve(Arc::new(options)) {
        eprintln!("rust-shmem-backend: {error}");
        exit(1);
    }
}
