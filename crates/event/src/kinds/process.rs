//! Kinds of events about processes.

macro_rules! process_kinds {
    ($($before:tt)*) => {
        next_group! { $($before)*
            /// A process replaced its program.
            Exec = 1, "exec", category: Process, ring: NeverDrop, (
                /// The program it runs now.
                "exec": Program
            )

            /// A process was created (threads are not events).
            Fork = 2, "fork", category: Process, ring: NeverDrop, (
                /// The process that is the parent of the new one (not always the caller: `CLONE_PARENT`).
                "parent": Process
            )

            /// The last thread of a process ended.
            Exit = 3, "exit", category: Process, ring: NeverDrop, (
                /// How it ended.
                "exit": Status
            )
        }
    };
}
