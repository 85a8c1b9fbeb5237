//! Kinds of events about files.

macro_rules! file_kinds {
    ($($before:tt)*) => {
        next_group! { $($before)*
            /// A file was opened, or an attempt failed.
            Open = 4, "open", category: File, ring: Bulk, {
                /// The opened file; after a failure only the path as it was asked for.
                "file": File => file,
                /// Open flags (`O_*` of the host architecture).
                "flags": Flags(OPEN_FLAGS) => flags,
                /// Mode argument; meaningful with `O_CREAT` or `O_TMPFILE`.
                "mode": Mode => mode,
                /// The descriptor, or the negative errno.
                "retval": Descriptor => retval,
            }
        }
    };
}
