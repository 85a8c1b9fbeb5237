//! Files: a row of what each has for itself, and a row of what files in one place have in common.
//!
//! Mount, device, owner and mode are the same for hundreds of files in a row. They are most of the columns, so they are
//! written, and checked, once for each distinct combination.

use std::collections::HashMap;
use std::sync::Arc;

use event::{File, Layer, PathState, Text};
use foldhash::fast::RandomState;

use super::SECOND;
use super::column::{Column, drop_if_zero, row};
use super::decode::{Result, columns, row_count};
use crate::v1;

/// What files in one place have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape<T> {
    path_state: PathState,
    mount_id: u32,
    device: u64,
    mode: u16,
    nlink: u32,
    uid: u32,
    gid: u32,
    /// A row while encoding, the text after decoding.
    filesystem: T,
    layer: Layer,
}

/// The tables of files of a batch that is being encoded.
#[derive(Default)]
pub(super) struct FileRows {
    table: v1::FileTable,
    shape_table: v1::FileShapeTable,
    shapes: HashMap<Shape<u32>, u32, RandomState>,
    /// That of the file before, which the next one has most of the time.
    last_shape: Option<(Shape<u32>, u32)>,
    last_inode: u64,
    last_modification_s: i64,
    last_access_ns: i64,
    last_change_ns: i64,
}

impl FileRows {
    /// Adds a row. `path` and `filesystem` are the rows of these texts.
    pub(super) fn push(&mut self, file: &File, path: u32, filesystem: u32) {
        let shape = self.shape(Shape {
            path_state: file.path_state,
            mount_id: file.mount_id,
            device: file.device,
            mode: file.mode,
            nlink: file.nlink,
            uid: file.uid,
            gid: file.gid,
            filesystem,
            layer: file.layer,
        });
        let table = &mut self.table;
        table.path.push(path);
        table.shape.push(shape);
        table.inode.push(file.inode.wrapping_sub(self.last_inode).cast_signed());
        table.generation.push(file.generation);
        let seconds = file.modification_ns.div_euclid(SECOND);
        // A remainder of 10^9 fits.
        let nsec = u32::try_from(file.modification_ns.rem_euclid(SECOND)).unwrap_or_default();
        table.modification_s.push(seconds.wrapping_sub(self.last_modification_s));
        table.modification_nsec.push(nsec);
        table.access_ns.push(file.access_ns.wrapping_sub(self.last_access_ns));
        table.change_ns.push(file.change_ns.wrapping_sub(self.last_change_ns));
        self.last_inode = file.inode;
        self.last_modification_s = seconds;
        self.last_access_ns = file.access_ns;
        self.last_change_ns = file.change_ns;
    }

    fn shape(&mut self, shape: Shape<u32>) -> u32 {
        if let Some((last, row)) = &self.last_shape
            && *last == shape
        {
            return *row;
        }
        // There are no more shapes than files, and a batch cannot hold 2^32 of these.
        let next = u32::try_from(self.shapes.len()).unwrap_or(u32::MAX);
        let row = *self.shapes.entry(shape.clone()).or_insert(next);
        if row == next {
            let table = &mut self.shape_table;
            table.path_state.push(shape.path_state as u32);
            table.mount_id.push(shape.mount_id);
            table.device.push(shape.device);
            table.mode.push(shape.mode.into());
            table.nlink.push(shape.nlink);
            table.uid.push(shape.uid);
            table.gid.push(shape.gid);
            table.filesystem.push(shape.filesystem);
            table.layer.push(shape.layer as u32);
        }
        self.last_shape = Some((shape, row));
        row
    }

    /// The finished tables, without the columns that are 0 in every row.
    pub(super) fn finish(self) -> (v1::FileTable, v1::FileShapeTable) {
        let Self { mut table, shape_table: mut shapes, .. } = self;
        for column in [&mut table.shape, &mut table.generation, &mut table.modification_nsec] {
            drop_if_zero(column);
        }
        for column in
            [&mut table.inode, &mut table.modification_s, &mut table.access_ns, &mut table.change_ns]
        {
            drop_if_zero(column);
        }
        drop_if_zero(&mut shapes.device);
        for column in [
            &mut shapes.mount_id,
            &mut shapes.mode,
            &mut shapes.nlink,
            &mut shapes.uid,
            &mut shapes.gid,
            &mut shapes.filesystem,
            &mut shapes.layer,
        ] {
            drop_if_zero(column);
        }
        (table, shapes)
    }
}

/// The files of a batch. Without a table of shapes each file has the columns of one itself, as it was in wire versions 1
/// and 2.
pub(super) fn decode(batch: &v1::Batch, texts: &[Text]) -> Result<Vec<Arc<File>>> {
    let Some(table) = &batch.files else { return Ok(Vec::new()) };
    let rows = row_count("files", table.path.len())?;
    let (shapes, is_own) = match &batch.file_shapes {
        Some(shapes) => (decode_shapes(shapes, texts)?, false),
        None => (decode_shapes(&own_shapes(table, rows), texts)?, true),
    };
    columns!(table, rows, "files": path shape inode generation modification_s modification_nsec access_ns change_ns);
    let mut files = Vec::with_capacity(rows);
    let mut last_inode = 0_u64;
    let (mut last_modification_s, mut last_access, mut last_change) = (0_i64, 0_i64, 0_i64);
    for number in 0..rows {
        last_inode = last_inode.wrapping_add_signed(inode.take());
        last_modification_s = last_modification_s.wrapping_add(modification_s.take());
        last_access = last_access.wrapping_add(access_ns.take());
        last_change = last_change.wrapping_add(change_ns.take());
        let nsec = i64::from(modification_nsec.take());
        let index = shape.take();
        let index = if is_own { u32::try_from(number).unwrap_or(u32::MAX) } else { index };
        let shape = row("files.shape", &shapes, index)?;
        files.push(Arc::new(File {
            path: path.entry(texts)?.clone(),
            path_state: shape.path_state,
            inode: last_inode,
            generation: generation.take(),
            mount_id: shape.mount_id,
            device: shape.device,
            mode: shape.mode,
            nlink: shape.nlink,
            uid: shape.uid,
            gid: shape.gid,
            filesystem: shape.filesystem.clone(),
            layer: shape.layer,
            access_ns: last_access,
            modification_ns: last_modification_s.wrapping_mul(SECOND).wrapping_add(nsec),
            change_ns: last_change,
        }));
    }
    Ok(files)
}

/// The columns that were in the table of files before there were shapes, as a table with one row for each file.
fn own_shapes(table: &v1::FileTable, rows: usize) -> v1::FileShapeTable {
    let mut path_state = table.path_state.clone();
    if path_state.is_empty() {
        // The first column says how many rows there are.
        path_state.resize(rows, 0);
    }
    v1::FileShapeTable {
        path_state,
        mount_id: table.mount_id.clone(),
        device: table.device.clone(),
        mode: table.mode.clone(),
        nlink: table.nlink.clone(),
        uid: table.uid.clone(),
        gid: table.gid.clone(),
        filesystem: table.filesystem.clone(),
        layer: table.layer.clone(),
    }
}

fn decode_shapes(table: &v1::FileShapeTable, texts: &[Text]) -> Result<Vec<Shape<Text>>> {
    let rows = row_count("file_shapes", table.path_state.len())?;
    columns!(table, rows, "file_shapes": path_state mount_id device mode nlink uid gid filesystem layer);
    let mut shapes = Vec::with_capacity(rows);
    for _ in 0..rows {
        shapes.push(Shape {
            path_state: path_state.known(PathState::from_u8)?,
            mount_id: mount_id.take(),
            device: device.take(),
            mode: mode.narrow()?,
            nlink: nlink.take(),
            uid: uid.take(),
            gid: gid.take(),
            filesystem: filesystem.entry(texts)?.clone(),
            layer: layer.known(Layer::from_u8)?,
        });
    }
    Ok(shapes)
}
