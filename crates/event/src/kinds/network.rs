//! Kinds of events about sockets.

macro_rules! network_kinds {
    ($($before:tt)*) => {
        next_group! { $($before)* }
    };
}
