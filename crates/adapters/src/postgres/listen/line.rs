//! A connection that speaks the streaming replication protocol, which the driver does not: startup,
//! authentication, `IDENTIFY_SYSTEM`, `START_REPLICATION`, and then copying in both directions.
//!
//! Knows messages and bytes, not what the log in them means. Over TLS the channel is not bound to the
//! password: the driver keeps what that takes to itself.

use std::{io, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    },
    message::frontend,
};
use syncline_core::error::ErrorKind;
use syncline_ports::clock::Clock as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect as _};

use crate::{
    clock::SystemClock,
    postgres::{
        listen::{
            message::{self, Broken, EPOCH_MICROS, Identity, Streamed},
            position::Lsn,
        },
        sql::quoted,
        tls,
        value::{Refusal, Wire as _},
    },
    settings::Settings,
};

/// What the server calls us.
pub(super) const APPLICATION: &str = "syncline";
/// No message before the copying is longer.
const GREETING_MAX: usize = 1 << 20;
/// The server builds no message that is longer.
const MESSAGE_MAX: usize = 1 << 30;
/// How much is asked of the socket at once.
const CHUNK: usize = 1 << 16;
/// After so long without a sign of life the server gives us up, and we the server.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What the stream goes over.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A message: its tag and what is in it.
struct Frame {
    tag: u8,
    body: Bytes,
}

/// The connection.
pub(super) struct Line {
    stream: Box<dyn Duplex>,
    incoming: BytesMut,
    longest: usize,
}

impl Line {
    /// Connects as one that may replicate the database.
    pub(super) async fn open(settings: &Settings) -> Result<Self, Broken> {
        let opening = async {
            let stream = connect(settings).await?;
            let incoming = BytesMut::with_capacity(CHUNK);
            let mut line = Self { stream, incoming, longest: GREETING_MAX };
            line.greet(settings).await?;
            Ok(line)
        };
        tokio::time::timeout(settings.connect_timeout, opening).await.unwrap_or_else(|_| {
            let detail = format!("no answer within {} s", settings.connect_timeout.as_secs());
            Err(Broken::new(ErrorKind::Unreachable, detail))
        })
    }

    async fn greet(&mut self, settings: &Settings) -> Result<(), Broken> {
        // Texts as the sessions have them that read rows; nothing that ends a long stream.
        let silence = SILENCE_MAX.as_secs();
        let options = format!(
            "-c DateStyle=ISO -c IntervalStyle=postgres -c TimeZone=UTC -c bytea_output=hex \
             -c extra_float_digits=1 -c statement_timeout=0 -c lock_timeout=0 \
             -c wal_sender_timeout={silence}s"
        );
        let parameters = [
            ("user", settings.user.as_str()),
            ("database", settings.database.as_str()),
            ("replication", "database"),
            ("client_encoding", "UTF8"),
            ("application_name", APPLICATION),
            ("options", options.as_str()),
        ];
        self.send(|out| frontend::startup_message(parameters, out)).await?;
        self.authenticate(settings).await?;
        self.ready().await
    }

    /// Waits until the server takes the next command.
    pub(super) async fn ready(&mut self) -> Result<(), Broken> {
        while self.frame().await?.tag != b'Z' {}
        Ok(())
    }

    async fn authenticate(&mut self, settings: &Settings) -> Result<(), Broken> {
        let password = || -> Result<Vec<u8>, Broken> {
            let missing = || Broken::new(ErrorKind::Unauthorized, "password missing");
            Ok(settings.password.as_ref().ok_or_else(missing)?.reveal().as_bytes().to_vec())
        };
        let mut scram = None;
        loop {
            let message = self.expect(b'R').await?;
            let mut body: &[u8] = &message;
            match body.i32()? {
                0 => return Ok(()),
                3 => {
                    let password = password()?;
                    self.send(|out| frontend::password_message(&password, out)).await?;
                }
                5 => {
                    let salt = body.first_chunk::<4>().copied().ok_or_else(Refusal::wire)?;
                    let hash = md5_hash(settings.user.as_bytes(), &password()?, salt);
                    self.send(|out| frontend::password_message(hash.as_bytes(), out)).await?;
                }
                10 if body
                    .split(|byte| *byte == 0)
                    .any(|name| name == SCRAM_SHA_256.as_bytes()) =>
                {
                    let begun = ScramSha256::new(&password()?, ChannelBinding::unsupported());
                    self.send(|out| {
                        frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), out)
                    })
                    .await?;
                    scram = Some(begun);
                }
                11 | 12 if scram.is_none() => return Err(Refusal::wire().into()),
                11 => {
                    if let Some(scram) = &mut scram {
                        scram.update(body).map_err(|error| refused(&error))?;
                        let answer = scram.message().to_vec();
                        self.send(|out| frontend::sasl_response(&answer, out)).await?;
                    }
                }
                12 => {
                    if let Some(scram) = &mut scram {
                        scram.finish(body).map_err(|error| refused(&error))?;
                    }
                }
                _ => {
                    let detail = "it asks for an authentication that is not supported";
                    return Err(Broken::new(ErrorKind::Unauthorized, detail));
                }
            }
        }
    }

    /// Which system this is.
    pub(super) async fn identify(&mut self) -> Result<Identity, Broken> {
        self.send(|out| frontend::query("IDENTIFY_SYSTEM", out)).await?;
        let mut found = None;
        loop {
            let frame = self.frame().await?;
            match frame.tag {
                b'D' => found = message::identity(&frame.body),
                b'Z' => return found.ok_or_else(|| Refusal::wire().into()),
                _ => {}
            }
        }
    }

    /// Begins to copy what was committed from here on.
    pub(super) async fn start(&mut self, name: &str, from: Lsn) -> Result<(), Broken> {
        let command = format!(
            "START_REPLICATION SLOT {slot} LOGICAL {from} \
             (proto_version '1', publication_names '{slot}', messages 'true')",
            slot = quoted(name)
        );
        self.send(|out| frontend::query(&command, out)).await?;
        self.expect(b'W').await?;
        self.longest = MESSAGE_MAX;
        Ok(())
    }

    /// Waits for more bytes. May be given up at any time.
    pub(super) async fn read(&mut self) -> Result<(), Broken> {
        self.incoming.reserve(CHUNK);
        if self.stream.read_buf(&mut self.incoming).await? == 0 {
            let detail = "the server closed the connection";
            return Err(Broken::new(ErrorKind::Unreachable, detail));
        }
        Ok(())
    }

    /// What is there of the stream, without waiting.
    pub(super) fn streamed(&mut self) -> Result<Option<Streamed>, Broken> {
        while let Some(frame) = self.whole_frame()? {
            match frame.tag {
                b'd' => {
                    if let Some(streamed) = message::streamed(frame.body)? {
                        return Ok(Some(streamed));
                    }
                }
                b'c' | b'C' | b'Z' => {
                    let detail = "the server ended the stream";
                    return Err(Broken::new(ErrorKind::Unreachable, detail));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Says how far everything is dealt with, and asks for a sign of life.
    pub(super) async fn confirm(&mut self, upto: Lsn) -> Result<(), Broken> {
        let mut status = BytesMut::with_capacity(34);
        status.put_u8(b'r');
        for _written_flushed_applied in 0..3 {
            status.put_u64(upto.0);
        }
        status.put_i64(SystemClock.now().0.saturating_sub(EPOCH_MICROS));
        status.put_u8(1);
        self.send(|out| {
            frontend::CopyData::new(status)?.write(out);
            Ok(())
        })
        .await
    }

    async fn send(
        &mut self,
        message: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), Broken> {
        let mut out = BytesMut::new();
        message(&mut out)?;
        self.stream.write_all(&out).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next message with this tag; others that may come between are skipped.
    async fn expect(&mut self, tag: u8) -> Result<Bytes, Broken> {
        loop {
            let frame = self.frame().await?;
            match frame.tag {
                found if found == tag => return Ok(frame.body),
                b'S' | b'N' | b'K' | b'v' => {}
                _ => return Err(Refusal::wire().into()),
            }
        }
    }

    async fn frame(&mut self) -> Result<Frame, Broken> {
        loop {
            if let Some(frame) = self.whole_frame()? {
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    /// The next message, if all of it is there. What the server refuses is an error.
    fn whole_frame(&mut self) -> Result<Option<Frame>, Broken> {
        let Some((tag, length)) = message::header(&self.incoming, self.longest)? else {
            return Ok(None);
        };
        let missing = (length + message::HEADER).saturating_sub(self.incoming.len());
        if missing > 0 {
            self.incoming.reserve(missing);
            return Ok(None);
        }
        let _tag_and_length = self.incoming.split_to(message::HEADER);
        let body = self.incoming.split_to(length).freeze();
        if tag == b'E' { Err(message::said(&body)) } else { Ok(Some(Frame { tag, body })) }
    }
}

fn refused(error: &io::Error) -> Broken {
    Broken::new(ErrorKind::Unauthorized, error.to_string())
}

async fn connect(settings: &Settings) -> Result<Box<dyn Duplex>, Broken> {
    if settings.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", settings.host, settings.port);
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let mut stream = TcpStream::connect((settings.host.as_str(), settings.port)).await?;
    stream.set_nodelay(true)?;
    let tls =
        tls::connector(settings).map_err(|error| Broken::new(error.kind, error.detail.as_str()))?;
    let Some(mut tls) = tls else { return Ok(Box::new(stream)) };
    let refused = |detail: String| Broken::new(ErrorKind::Tls, detail);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    if stream.read_u8().await? != b'S' {
        return Err(refused("the server does not support TLS".to_owned()));
    }
    let connecting = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &settings.host)
        .map_err(|error| refused(error.to_string()))?;
    Ok(Box::new(connecting.connect(stream).await?))
}
