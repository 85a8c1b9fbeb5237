//! The types of the running kernel (BTF), whole and as the few that the programs need.
//!
//! Relocating a program means looking through all types of the kernel once for each type of the program, which took
//! more than a third of the start. With only the types of those names, and what they hold by value, it takes nothing.
//! Invariant: for the names that the object uses, the small set says what the whole says; a pointer in it points to
//! nothing, because relocation never looks behind one.

use std::collections::{HashMap, HashSet};

use aya::{Btf, Endianness};

use super::error::LoadError;

const PATH: &str = "/sys/kernel/btf/vmlinux";

/// Layout: <https://docs.kernel.org/bpf/btf.html>.
const MAGIC: [u8; 4] = [0x9f, 0xeb, 1, 0];
const HEADER_BYTES: usize = 24;
const TYPE_BYTES: usize = 12;

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const POINTER: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNCTION_PROTOTYPE: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const DATA_SECTION: u32 = 15;
    pub(super) const DECLARATION_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// The types of the kernel, twice.
pub(super) struct KernelTypes {
    /// All, for what programs are attached to.
    pub(super) all: Btf,
    /// Those that relocating `object` needs, or all if they could not be picked.
    pub(super) needed: Option<Btf>,
}

impl KernelTypes {
    /// Reads them; whole and part at the same time.
    pub(super) fn read(object: &[u8]) -> Result<Self, LoadError> {
        let bytes = std::fs::read(PATH)
            .map_err(|error| LoadError::Btf(aya::BtfError::FileError { path: PATH.into(), error }))?;
        std::thread::scope(|scope| {
            let needed = scope.spawn(|| {
                let small = pick(&bytes, &names_in(object)?)?;
                Btf::parse(&small, Endianness::default()).ok()
            });
            let all = Btf::parse(&bytes, Endianness::default()).map_err(LoadError::Btf)?;
            Ok(Self { all, needed: needed.join().unwrap_or_default() })
        })
    }

    /// What to relocate with.
    pub(super) fn for_relocation(&self) -> &Btf {
        self.needed.as_ref().unwrap_or(&self.all)
    }
}

/// Names of the structures, unions and enums in the types of an object file. A name with three underscores stands for
/// what is before them.
fn names_in(object: &[u8]) -> Option<HashSet<&[u8]>> {
    // The types' own header; that of the relocations has the same magic number and another length.
    let mut start = [0; 8];
    start[..4].copy_from_slice(&MAGIC);
    start[4..].copy_from_slice(&u32::try_from(HEADER_BYTES).ok()?.to_le_bytes());
    let place = object.windows(start.len()).position(|bytes| bytes == start)?;
    let types = Types::new(object.get(place..)?)?;
    let mut names = HashSet::new();
    for entry in types.iter() {
        let entry = entry?;
        if entry.is_named_layout() {
            let name = types.name(entry.name)?;
            let flavour = name.windows(3).position(|bytes| bytes == b"___").unwrap_or(name.len());
            names.insert(name.get(..flavour)?);
        }
    }
    names.remove(&b""[..]);
    Some(names)
}

/// The types of these names and what they hold by value, renumbered.
fn pick(bytes: &[u8], names: &HashSet<&[u8]>) -> Option<Vec<u8>> {
    let types = Types::new(bytes)?;
    let entries: Vec<Entry<'_>> = types.iter().collect::<Option<_>>()?;
    let entry_of = |id: u32| entries.get(usize::try_from(id.checked_sub(1)?).ok()?);
    let mut new_ids: HashMap<u32, u32> = HashMap::new();
    let mut picked: Vec<&Entry<'_>> = Vec::new();
    let mut open: Vec<u32> = Vec::new();
    for (id, entry) in (1..).zip(&entries) {
        if entry.is_named_layout() && names.contains(types.name(entry.name)?) {
            open.push(id);
        }
    }
    open.reverse();
    while let Some(id) = open.pop() {
        if id == 0 || new_ids.contains_key(&id) {
            continue;
        }
        let entry = entry_of(id)?;
        picked.push(entry);
        new_ids.insert(id, u32::try_from(picked.len()).ok()?);
        entry.each_held(&mut |held| open.push(held))?;
    }
    let mut out = Vec::with_capacity(HEADER_BYTES + types.strings.len() + picked.len() * 64);
    out.extend_from_slice(bytes.get(..HEADER_BYTES)?);
    for entry in picked {
        entry.write(&new_ids, &mut out)?;
    }
    let type_bytes = out.len() - HEADER_BYTES;
    out.extend_from_slice(types.strings);
    let header = [0, type_bytes, type_bytes, types.strings.len()];
    for (field, value) in header.into_iter().enumerate() {
        let place = out.get_mut(8 + 4 * field..12 + 4 * field)?;
        place.copy_from_slice(&u32::try_from(value).ok()?.to_le_bytes());
    }
    Some(out)
}

/// The parts of a blob of types.
struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Types<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let place = |at: usize| usize::try_from(word(bytes, at)?).ok();
        let base = place(4)?;
        let part = |start: usize, length: usize| {
            bytes.get(base.checked_add(start)?..base.checked_add(start)?.checked_add(length)?)
        };
        bytes.starts_with(&MAGIC).then_some(())?;
        (base == HEADER_BYTES).then_some(())?;
        Some(Self { types: part(place(8)?, place(12)?)?, strings: part(place(16)?, place(20)?)? })
    }

    fn name(&self, offset: u32) -> Option<&'a [u8]> {
        self.strings.get(usize::try_from(offset).ok()?..)?.split(|byte| *byte == 0).next()
    }

    /// Each in turn; `None` once for what is cut off.
    fn iter(&self) -> impl Iterator<Item = Option<Entry<'a>>> {
        let mut rest = self.types;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = Entry::first(rest);
            rest = entry.as_ref().and_then(|entry| rest.get(entry.bytes.len()..)).unwrap_or_default();
            Some(entry)
        })
    }
}

/// One type.
struct Entry<'a> {
    name: u32,
    kind: u32,
    bytes: &'a [u8],
    /// Bytes of one member, value or parameter, if it has such.
    item_bytes: usize,
}

impl<'a> Entry<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let (name, info) = (word(bytes, 0)?, word(bytes, 4)?);
        let (kind, items) = (info >> 24 & 0x1f, usize::try_from(info & 0xffff).ok()?);
        let item_bytes = match kind {
            kind::STRUCT | kind::UNION | kind::DATA_SECTION | kind::ENUM64 => 12,
            kind::ENUM | kind::FUNCTION_PROTOTYPE => 8,
            _ => 0,
        };
        let fixed = match kind {
            kind::ARRAY => 12,
            kind::INT | kind::VARIABLE | kind::DECLARATION_TAG => 4,
            0 => return None,
            known if known <= kind::ENUM64 => 0,
            // Of a type that this build does not know the length is not known either.
            _ => return None,
        };
        let bytes = bytes.get(..TYPE_BYTES + fixed + items * item_bytes)?;
        Some(Self { name, kind, bytes, item_bytes })
    }

    /// Something that a program is relocated by.
    fn is_named_layout(&self) -> bool {
        matches!(self.kind, kind::STRUCT | kind::UNION | kind::ENUM | kind::ENUM64) && self.name != 0
    }

    /// Where in its bytes the numbers of types are that belong to its own layout.
    fn places(&self) -> Vec<usize> {
        match self.kind {
            kind::STRUCT | kind::UNION => {
                (TYPE_BYTES + 4..self.bytes.len()).step_by(self.item_bytes).collect()
            }
            kind::ARRAY => vec![TYPE_BYTES, TYPE_BYTES + 4],
            kind::TYPEDEF..=kind::RESTRICT | kind::TYPE_TAG => vec![8],
            _ => Vec::new(),
        }
    }

    fn each_held(&self, each: &mut dyn FnMut(u32)) -> Option<()> {
        for place in self.places() {
            each(word(self.bytes, place)?);
        }
        Some(())
    }

    fn write(&self, new_ids: &HashMap<u32, u32>, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(self.bytes);
        if self.kind == kind::POINTER {
            out.get_mut(start + 8..start + TYPE_BYTES)?.fill(0);
        }
        for place in self.places() {
            let held = word(self.bytes, place)?;
            let new = if held == 0 { 0 } else { *new_ids.get(&held)? };
            out.get_mut(start + place..start + place + 4)?.copy_from_slice(&new.to_le_bytes());
        }
        Some(())
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct a { struct b held; struct c *pointed; }`, and one that nobody asks for.
    fn blob() -> Vec<u8> {
        let strings = b"\0a\0b\0c\0held\0pointed\0int\0";
        let layout = |name: u32, items: u32, size: u32| [name, kind::STRUCT << 24 | items, size];
        let words: Vec<u32> = [
            &[20, kind::INT << 24, 4, 32][..], // 1: int
            &layout(5, 1, 4),
            &[0, 1, 0], // 2: struct c { int; }
            &layout(3, 1, 4),
            &[0, 1, 0],                   // 3: struct b { int; }
            &[0, kind::POINTER << 24, 2], // 4: struct c *
            &layout(1, 2, 16),
            &[7, 3, 0, 12, 4, 64], // 5: struct a
        ]
        .concat();
        let types: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let header = [24, 0, length(&types), length(&types), length(strings)];
        let header: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
        [&MAGIC[..], &header, &types, strings].concat()
    }

    fn described(bytes: &[u8]) -> Vec<(String, u32, Vec<u32>)> {
        let types = Types::new(bytes).unwrap();
        let describe = |entry: Option<Entry<'_>>| {
            let entry = entry.unwrap();
            let mut held = Vec::new();
            entry.each_held(&mut |id| held.push(id)).unwrap();
            (String::from_utf8_lossy(types.name(entry.name).unwrap()).into_owned(), entry.kind, held)
        };
        types.iter().map(describe).collect()
    }

    #[test]
    fn what_a_structure_holds_comes_along_and_what_it_points_to_does_not() {
        let blob = blob();
        let picked = pick(&blob, &[&b"a"[..]].into()).unwrap();
        let structure = |name: &str, held: &[u32]| (name.to_owned(), kind::STRUCT, held.to_vec());
        let found = described(&picked);
        assert_eq!(found.len(), 4, "{found:?}");
        let number = |wanted: &str| {
            u32::try_from(found.iter().position(|(name, ..)| name == wanted).unwrap()).unwrap() + 1
        };
        let pointer = found.iter().position(|(_, kind, _)| *kind == kind::POINTER).unwrap();
        assert!(found.contains(&structure("a", &[number("b"), u32::try_from(pointer).unwrap() + 1])));
        assert!(found.contains(&structure("b", &[number("int")])));
    }

    #[test]
    fn bytes_that_are_cut_or_damaged_give_nothing_and_never_panic() {
        let blob = blob();
        for length in 0..blob.len() {
            assert_eq!(pick(&blob[..length], &[&b"a"[..]].into()), None);
        }
        for place in 0..blob.len() {
            let mut damaged = blob.clone();
            damaged[place] ^= 0xff;
            drop(pick(&damaged, &[&b"a"[..]].into()));
        }
    }
}
