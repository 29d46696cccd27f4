//! The line to an API server, which a test can cut: connections go, and no new one is taken.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const LOOK_EVERY: Duration = Duration::from_millis(5);
const BIND_WITHIN: Duration = Duration::from_secs(10);

/// Ends with the test, as its threads do.
pub struct Line {
    pub port: u16,
    cut: Arc<AtomicBool>,
    /// Both ends of every connection.
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    /// To a server on a port of this machine.
    pub fn to(server: u16) -> Self {
        // While it is cut nobody else is given that port: not one of those that connections take (ip_local_port_range).
        let mut ports = (20_000..32_000).step_by(7).skip(std::process::id() as usize % 1_700);
        let listener = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("a port");
        let port = listener.local_addr().expect("it has one").port();
        let line = Self { port, cut: Arc::default(), ends: Arc::default() };
        let (cut, ends) = (line.cut.clone(), line.ends.clone());
        thread::spawn(move || serve(listener, (port, server), &cut, &ends));
        line
    }

    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for end in self.ends.lock().expect("no panic while it is held").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    pub fn heal(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn serve(listener: TcpListener, (port, server): (u16, u16), cut: &AtomicBool, ends: &Mutex<Vec<TcpStream>>) {
    let mut listener = Some(listener);
    loop {
        thread::sleep(LOOK_EVERY);
        if cut.load(Ordering::SeqCst) {
            listener = None;
            continue;
        }
        let here = listener.get_or_insert_with(|| bound_again(port));
        here.set_nonblocking(true).expect("it can be");
        while let Ok((near, _)) = here.accept() {
            let far = TcpStream::connect(("127.0.0.1", server)).expect("the server is there");
            near.set_nonblocking(false).expect("it can be");
            let mut all = ends.lock().expect("no panic while it is held");
            // It was cut while this one came in, and all that there were have been ended.
            if cut.load(Ordering::SeqCst) {
                continue;
            }
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                all.push(from.try_clone().expect("a handle"));
                thread::spawn(move || copy(from, to));
            }
        }
    }
}

/// The port that was ours before: somebody else's connection may have it for a moment.
fn bound_again(port: u16) -> TcpListener {
    let began = Instant::now();
    loop {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return listener,
            Err(error) => assert!(began.elapsed() < BIND_WITHIN, "our port: {error}"),
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
