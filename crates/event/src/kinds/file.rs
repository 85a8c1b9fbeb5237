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

            /// A file or directory was removed from its directory, or an attempt failed.
            Unlink = 7, "unlink", category: File, ring: Bulk, {
                /// What was asked for: the object is gone, and nothing else is known of it.
                "file": File => file,
                /// `AT_REMOVEDIR` for a directory, also of rmdir.
                "flags": Flags(UNLINK_FLAGS) => flags,
                /// 0, or the negative errno.
                "retval": Errno => retval,
            }

            /// A file got another name, or an attempt failed.
            Rename = 8, "rename", category: File, ring: Bulk, {
                /// The name it had, as it was asked for.
                "file": File => file,
                /// The name it was to get, as it was asked for.
                "file.destination": File => destination,
                /// Flags of renameat2 (`RENAME_*`).
                "flags": Flags(RENAME_FLAGS) => flags,
                /// 0, or the negative errno.
                "retval": Errno => retval,
            }
        }
    };
}
