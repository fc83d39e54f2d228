//! A moment between two things: where others may move, and where a process may die.
//!
//! Every port of a simulated world gives way once before it answers and once after. The world polls
//! the processes in an order of its own, lets people edit in between, or drops one for good.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// Gives way once.
#[derive(Debug, Default)]
pub struct Moment(bool);

/// Gives way once.
pub fn moment() -> Moment {
    Moment(false)
}

impl Future for Moment {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        Poll::Pending
    }
}
