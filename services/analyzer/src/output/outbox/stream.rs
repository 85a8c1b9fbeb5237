//! One stream of groups to the reporter and of its marks back, at a time.
//!
//! Holds nothing but what is on its way into the connection: what a stream did not settle is the queue's business.

use std::pin::Pin;

use tokio::sync::mpsc;
use tonic::Streaming;
use wire::v1;

use super::reporter::{Reporter, SubmitError};

/// Groups between the queue and the connection. Few, because an urgent group cannot overtake them any more.
const CAPACITY: usize = 4;

type Opening = Pin<Box<dyn Future<Output = Result<Streaming<v1::Settled>, SubmitError>> + Send>>;

/// What happened to the stream.
#[derive(Debug)]
pub enum StreamEvent {
    /// The reporter answered.
    Opened,
    /// There is room for a group.
    Room,
    /// The reporter settled groups.
    Settled(v1::Settled),
    /// The stream has ended, and is closed.
    Failed(SubmitError),
}

enum State {
    Closed,
    Opening(mpsc::Sender<v1::PayloadGroup>, Opening),
    Open(mpsc::Sender<v1::PayloadGroup>, Box<Streaming<v1::Settled>>),
}

/// The stream.
pub struct Stream {
    reporter: Reporter,
    state: State,
}

impl Stream {
    /// A stream to this reporter, closed.
    #[must_use]
    pub fn new(reporter: Reporter) -> Self {
        Self { reporter, state: State::Closed }
    }

    /// Begins a new stream; groups can be sent at once.
    pub fn open(&mut self) {
        let (sender, groups) = mpsc::channel(CAPACITY);
        self.state = State::Opening(sender, Box::pin(self.reporter.clone().submit(groups)));
    }

    /// Ends it.
    pub fn close(&mut self) {
        self.state = State::Closed;
    }

    /// True when there is none.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether a group can be sent now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        match &self.state {
            State::Closed => false,
            State::Opening(sender, _) | State::Open(sender, _) => {
                sender.capacity() > 0 && !sender.is_closed()
            }
        }
    }

    /// Sends a group; the caller has asked [`Stream::has_room`]. One that does not get through because the stream
    /// has just broken is among those that are submitted again.
    pub fn send(&mut self, group: v1::PayloadGroup) {
        let (State::Opening(sender, _) | State::Open(sender, _)) = &self.state else { return };
        if let Err(error) = sender.try_send(group) {
            tracing::debug!(%error, "the stream to the reporter has just ended");
        }
    }

    /// The next thing that happens; never returns while it is closed. Nothing is lost when this is dropped.
    pub async fn event(&mut self, wants_room: bool) -> StreamEvent {
        let event = match &mut self.state {
            State::Closed => std::future::pending().await,
            State::Opening(_, opening) => match opening.await {
                Ok(marks) => {
                    if let State::Opening(sender, _) = std::mem::replace(&mut self.state, State::Closed) {
                        self.state = State::Open(sender, Box::new(marks));
                    }
                    StreamEvent::Opened
                }
                Err(error) => StreamEvent::Failed(error),
            },
            State::Open(sender, marks) => tokio::select! {
                biased;
                mark = marks.message() => match mark {
                    Ok(Some(mark)) => StreamEvent::Settled(mark),
                    Ok(None) => StreamEvent::Failed(SubmitError::Ended),
                    Err(status) => StreamEvent::Failed(SubmitError::Refused(Box::new(status))),
                },
                _room = sender.reserve(), if wants_room => StreamEvent::Room,
            },
        };
        if matches!(event, StreamEvent::Failed(_)) {
            self.state = State::Closed;
        }
        event
    }
}
