//! An HTTP proxy in front of a real server, with whatever goes wrong on the way: requests that never
//! arrive, answers that never do, come cut, late or twice, lists that are shorter than they say.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::Value as Json;

/// The most that a body of a test holds.
const BODY_BYTES: u64 = 64 << 20;

/// What happens to a request on its way.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// It is answered so by the proxy, and the server hears nothing of it.
    Instead(u16),
    /// It is answered so with status 200, as JSON, and the server hears nothing of it.
    Says(Arc<Vec<u8>>),
    /// The line is closed before the server hears of it.
    Closed,
    /// The server does it, and the line is closed before the answer.
    Lost,
    /// The server does it, and the proxy says this of it.
    After(u16),
    /// The server does it, and half of the answer's body arrives.
    Cut,
    /// The server does it, and the answer comes so much later.
    Late(Duration),
    /// The proxy sends it twice, as those that repeat by themselves do; the second answer arrives.
    Twice,
    /// Of the list at this member, one item fewer arrives.
    Short(&'static str),
    /// The list at this member arrives the other way round.
    Turned(&'static str),
}

/// A request, as it came by.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its parameters.
    pub(crate) path: String,
    pub(crate) body: String,
    /// The lines of its head behind the first.
    head: Vec<String>,
}

impl Asked {
    /// A line of its head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// It writes.
    pub(crate) fn writes(&self) -> bool {
        self.method != "GET"
    }

    /// It asks for one item, not for a list.
    pub(crate) fn is_one(&self) -> bool {
        !self.writes() && self.path.split('?').next().unwrap().split('/').count() > 3
    }
}

type Sky = dyn FnMut(&Asked) -> Fault + Send;

/// The proxy; it serves until the test ends.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: Mutex<SocketAddr>,
    sky: Mutex<Box<Sky>>,
    seen: Mutex<Vec<Asked>>,
}

impl Proxy {
    /// In front of this server, with nothing wrong.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sky: Mutex<Box<Sky>> = Mutex::new(Box::new(|_: &Asked| Fault::None));
        let shared = Arc::new(Shared { server: Mutex::new(server), sky, seen: Mutex::default() });
        let own = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), own) = (stream, own.clone()) else { return };
                // Who hangs up on us is nothing to fail for.
                std::thread::spawn(move || own.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// From now on this happens to each request.
    pub(crate) fn weather(&self, sky: impl FnMut(&Asked) -> Fault + Send + 'static) {
        *self.shared.sky.lock().unwrap() = Box::new(sky);
    }

    /// From now on this server is behind it.
    pub(crate) fn leads_to(&self, server: SocketAddr) {
        *self.shared.server.lock().unwrap() = server;
    }

    /// From now on nothing is wrong.
    pub(crate) fn fair(&self) {
        self.weather(|_| Fault::None);
    }

    /// Everything that came by so far.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.shared.seen.lock().unwrap()
    }

    /// How many writes came by so far.
    pub(crate) fn writes(&self) -> usize {
        self.seen().iter().filter(|asked| asked.writes()).count()
    }
}

impl Shared {
    fn serve(&self, mut caller: TcpStream) -> Option<()> {
        let (head, body) = message(&mut BufReader::new(&caller))?;
        let mut words = head.first()?.split(' ');
        let asked = Asked {
            method: words.next()?.into(),
            path: words.next()?.into(),
            body: String::from_utf8_lossy(&body).into_owned(),
            head: head.iter().skip(1).cloned().collect(),
        };
        let fault = (self.sky.lock().unwrap())(&asked);
        self.seen.lock().unwrap().push(asked);
        let own = |status: u16| {
            format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        };
        match fault {
            Fault::Instead(status) => caller.write_all(own(status).as_bytes()).ok()?,
            Fault::Says(body) => {
                let head = ["HTTP/1.1 200 OK".into(), "content-type: application/json".into()];
                caller.write_all(said(&head, body.len()).as_bytes()).ok()?;
                caller.write_all(&body).ok()?;
            }
            Fault::Closed => return None,
            Fault::Lost => {
                self.ask(&head, &body)?;
            }
            Fault::After(status) => {
                self.ask(&head, &body)?;
                caller.write_all(own(status).as_bytes()).ok()?;
            }
            Fault::Cut => {
                let (head, body) = self.ask(&head, &body)?;
                caller.write_all(said(&head, body.len()).as_bytes()).ok()?;
                caller.write_all(&body[..body.len() / 2]).ok()?;
            }
            Fault::Late(wait) => {
                let (head, body) = self.ask(&head, &body)?;
                std::thread::sleep(wait);
                caller.write_all(said(&head, body.len()).as_bytes()).ok()?;
                caller.write_all(&body).ok()?;
            }
            Fault::None | Fault::Twice | Fault::Short(_) | Fault::Turned(_) => {
                if matches!(fault, Fault::Twice) {
                    self.ask(&head, &body)?;
                }
                let (head, mut body) = self.ask(&head, &body)?;
                if let Fault::Short(member) | Fault::Turned(member) = fault {
                    let mut document: Json = serde_json::from_slice(&body).unwrap();
                    let list = document[member].as_array_mut().unwrap();
                    if matches!(fault, Fault::Short(_)) {
                        list.pop();
                    } else {
                        list.reverse();
                    }
                    body = document.to_string().into_bytes();
                }
                caller.write_all(said(&head, body.len()).as_bytes()).ok()?;
                caller.write_all(&body).ok()?;
            }
        }
        Some(())
    }

    /// What the server says to it.
    fn ask(&self, head: &[String], body: &[u8]) -> Option<(Vec<String>, Vec<u8>)> {
        let mut server = TcpStream::connect(*self.server.lock().unwrap()).ok()?;
        server.write_all(said(head, body.len()).as_bytes()).ok()?;
        server.write_all(body).ok()?;
        message(&mut BufReader::new(&server))
    }
}

/// A head with a body of this length, on a line of its own.
fn said(head: &[String], length: usize) -> String {
    let ours = ["connection:", "content-length:", "transfer-encoding:"];
    let theirs = head.iter().filter(|line| {
        let line = line.to_lowercase();
        !ours.iter().any(|name| line.starts_with(name))
    });
    let theirs: Vec<&str> = theirs.map(String::as_str).collect();
    format!("{}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n", theirs.join("\r\n"))
}

/// The lines of a head, and its body.
fn message(from: &mut impl std::io::BufRead) -> Option<(Vec<String>, Vec<u8>)> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if from.by_ref().take(BODY_BYTES).read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let found = head.iter().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    };
    let mut body = Vec::new();
    if header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        loop {
            let mut size = String::new();
            from.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            from.by_ref().take(size).read_to_end(&mut body).ok()?;
            from.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
        }
    } else {
        let length = header("content-length").parse().unwrap_or(0);
        from.by_ref().take(length.min(BODY_BYTES)).read_to_end(&mut body).ok()?;
    }
    Some((head, body))
}
