//! Begins to listen: sets up what is missing in the system, and finds where to go on.

use syncline_core::{
    change::Position,
    error::{ErrorKind, PortError},
};
use tokio::time::Instant;

use crate::postgres::{
    bound,
    failure::port_error,
    listen::{
        WalListener, decode,
        line::Line,
        message::{Broken, Identity},
        own::Own,
        position::{Lsn, Marks, Place},
        publication,
        server::Server,
        slot::{self, Slot},
        sql,
        stream::{self, Stream},
    },
};

impl WalListener {
    /// As [`syncline_ports::listener::Listener::begin`].
    pub(super) async fn begin_after(
        &mut self,
        from: Option<&Position>,
    ) -> Result<Position, PortError> {
        self.stop();
        let mut line = Line::open(&self.settings).await.map_err(|broken| self.explain(broken))?;
        let identity = line.identify().await.map_err(|broken| self.explain(broken))?;
        self.bound = bound::bind(&self.session, &self.plan, self.system).await?;
        let published = publication::publish(
            &self.session,
            &self.bound,
            &self.listening.name,
            self.server.version,
            &self.action,
        )
        .await?;
        let slot = self.slot().await?;
        let marks = published.tables.marks(&self.bound);
        self.place = match from {
            Some(from) => {
                let is_whole = !published.is_new;
                let slot = slot.as_ref().filter(|_| is_whole);
                let place = self.resumable(from, identity, slot).await?;
                if published.is_changed {
                    self.settle().await?;
                }
                place
            }
            None => Place { identity, upto: self.afresh(slot).await?, marks: marks.clone() },
        };
        self.start(&mut line, self.place.upto).await?;
        let decoder = decode::Decoder::new(published.wanted);
        let own = Own::of(&self.bound);
        crate::postgres::own::listens();
        self.stream = Some(Stream::run(line, decoder, own, self.place.upto, self.action.clone()));
        self.tables = published.tables;
        self.looked_at = Some(Instant::now());
        self.name(marks);
        Ok(self.place.encode())
    }

    async fn settle(&self) -> Result<(), PortError> {
        slot::settle(&self.session, self.settings.statement_timeout, &self.action).await
    }

    /// How far the log is written.
    async fn written(&self) -> Result<Lsn, PortError> {
        let rows = self.session.client.query_typed(sql::WRITTEN, &[]).await;
        let rows = rows.map_err(|error| port_error(&self.action, &error))?;
        let written: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(Lsn(written.unsigned_abs()))
    }

    /// Names the tables that are not as they were, to be read whole.
    fn name(&mut self, marks: Marks) {
        for bound in &self.bound {
            let table = bound.known.oid;
            if self.place.marks.get(&table) != marks.get(&table) {
                let why = "its rows were changed otherwise than one by one".into();
                let binding = bound.shape.binding;
                self.pending.push_back(decode::Event::Unnamed { binding, why });
            }
        }
        self.pending.push_back(decode::Event::Named { marks });
    }

    /// Where to go on after a stored position, if the server still has everything after it.
    async fn resumable(
        &self,
        from: &Position,
        identity: Identity,
        slot: Option<&Slot>,
    ) -> Result<Place, PortError> {
        let lost = |detail: &str| PortError::new(ErrorKind::PositionLost, &self.action, detail);
        let place = Place::decode(from).ok_or_else(|| lost("the position is of another kind"))?;
        let slot = slot.ok_or_else(|| lost("the slot or the publication is gone"))?;
        if place.identity.system != identity.system {
            return Err(lost("this is another database server than before"));
        }
        if place.identity.timeline != identity.timeline {
            return Err(lost("the server took over from another, or was restored"));
        }
        if slot.is_lost || !slot.is_fit {
            return Err(lost("the slot no longer has what came after it"));
        }
        if place.upto < slot.confirmed {
            return Err(lost(
                "what came after it was confirmed already: is the hub an older copy?",
            ));
        }
        if place.upto > self.written().await? {
            return Err(lost("the log ends before it: was the server restored?"));
        }
        Ok(place)
    }

    /// Begins with now, in a slot that is there or is made.
    async fn afresh(&self, slot: Option<Slot>) -> Result<Lsn, PortError> {
        let name = &self.listening.name;
        let is_usable = slot.as_ref().is_some_and(|slot| slot.is_fit && !slot.is_lost);
        if !is_usable {
            if slot.is_some() {
                slot::remove(&self.session, name, &self.action).await?;
            }
            let Server { user, slots_max, .. } = &self.server;
            slot::make(&self.session, name, user, slots_max, &self.action).await?;
        }
        let confirmed = self.slot().await?.map_or(Lsn::default(), |slot| slot.confirmed);
        let from = self.written().await?.max(confirmed);
        self.settle().await?;
        Ok(from)
    }

    /// Begins to copy. Where the end of an earlier stream was not noticed yet, waits for that.
    async fn start(&self, line: &mut Line, from: Lsn) -> Result<(), PortError> {
        let end = Instant::now() + slot::HANDOVER_MAX.min(self.settings.statement_timeout);
        let name = &self.listening.name;
        loop {
            let Err(broken) = line.start(name, from).await else { return Ok(()) };
            if broken.code != "55006" {
                return Err(stream::explained(broken, &self.action));
            }
            if Instant::now() >= end {
                let reader = self.slot().await?.and_then(|slot| slot.reader);
                let reader = reader.map_or_else(String::new, |pid| format!(", process {pid}"));
                let detail = format!("somebody else reads from slot {name:?}{reader}");
                return Err(PortError::new(ErrorKind::TimedOut, &self.action, detail));
            }
            tokio::time::sleep(slot::LOOK).await;
            line.ready().await.map_err(|broken| self.explain(broken))?;
        }
    }

    /// What a refusal of the replication connection means.
    fn explain(&self, broken: Broken) -> PortError {
        match broken.code.as_str() {
            "42501" => slot::not_allowed(&self.server.user, &self.action),
            "53300" => {
                let detail = format!(
                    "{}: alter system set max_wal_senders = …; and restart the server",
                    broken.detail
                );
                PortError::new(broken.kind, &self.action, detail)
            }
            _ => broken.port_error(&self.action),
        }
    }
}
