//! The rows a batch of commands works on: loaded once, changed in memory, flushed as sets.
//!
//! Rows stay here between batches as a cache. That is safe because nothing read from it is believed blindly: the flush names the
//! version of every row that a decision touched, and a row that somebody else changed in the meantime stops the whole batch, which is
//! then decided again on freshly locked rows.

use std::any::{Any, TypeId};
use std::collections::BTreeSet;
use std::panic::resume_unwind;

use foldhash::{HashMap, HashMapExt};
use kernel::{BootId, Id, Timestamp};

use crate::fault::Fault;
use crate::table::{KeyPrefix, Table, TableMeta, UniqueKey};
use crate::value::Value;

/// How many rows of one table are kept between batches.
const CACHED_ROWS_PER_TABLE: usize = 4_096;
/// Rows not touched for this many batches go first when the cache is full.
const CACHED_BATCHES: u64 = 16;

/// Carried by the unwinding that ends a decision which touched a row nobody had loaded; the writer loads it and decides again.
pub(crate) struct NotLoaded;

/// How long after an id was made a row may still be written under it, where that is asked ([`Rows::in_time`]), in seconds.
pub const IN_TIME_SECONDS: i64 = 1_800;

/// Carried by the unwinding that ends a decision which comes too late to be carried out.
pub(crate) struct TooLate;

/// What the writer must fetch before a decision can be made.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) table: usize,
    pub(crate) meta: &'static TableMeta,
    /// Positions of the columns that are compared.
    pub(crate) by: Vec<usize>,
    pub(crate) find: Find,
    /// The wanted values, one entry per key, each in the order of `by`, sorted.
    pub(crate) wanted: Vec<Vec<Value>>,
}

/// By which kind of key rows are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Find {
    Primary,
    Unique(usize),
    Prefix(usize),
}

/// A row as the engine returns it.
pub(crate) struct StoredRow {
    pub(crate) version: i64,
    pub(crate) values: Vec<Value>,
}

/// What a batch does to one table. Every entry begins with the key columns; all but `inserts` continue with the version that was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Whole rows.
    pub(crate) inserts: Vec<Vec<Value>>,
    /// Key, version, state columns.
    pub(crate) updates: Vec<Vec<Value>>,
    /// Key, version, once and state columns: the row was deleted and made anew.
    pub(crate) replaces: Vec<Vec<Value>>,
    /// Key, version.
    pub(crate) deletes: Vec<Vec<Value>>,
    /// Key, version: read by a decision, not changed.
    pub(crate) checks: Vec<Vec<Value>>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.writes_nothing() && self.checks.is_empty()
    }

    pub(crate) fn writes_nothing(&self) -> bool {
        self.inserts.is_empty() && self.updates.is_empty() && self.replaces.is_empty() && self.deletes.is_empty()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Touch {
    Read,
    Changed,
    /// Deleted and inserted again, so that once columns may differ too.
    Replaced,
}

struct Slot<T> {
    /// The version in the store; `None` when the store has no such row.
    stored: Option<i64>,
    row: Option<T>,
    /// The batch that touched it last, and how.
    batch: u64,
    touch: Touch,
    /// Nobody looked, or nobody looked again before a refusal: an insert finds out whether the key is free, a refusal does not.
    believed: bool,
    /// Looked for because a command was about to be refused.
    doubted: bool,
}

struct Undo<T: Table> {
    key: T::Key,
    row: Option<T>,
    touch: Touch,
}

struct UndoUnique<T: Table> {
    index: usize,
    values: Vec<Value>,
    /// What was known before: nothing, or which row (perhaps none) has these values.
    #[expect(clippy::option_option, reason = "outer: whether anything was known; inner: which row, if any")]
    before: Option<Option<T::Key>>,
}

struct TableRows<T: Table> {
    slots: HashMap<T::Key, Slot<T>>,
    touched: Vec<T::Key>,
    /// Keys that had no row when this batch met them; absence is forgotten with the batch.
    absent: Vec<T::Key>,
    undo: Vec<Undo<T>>,
    uniques: HashMap<(usize, Vec<Value>), Option<T::Key>>,
    undo_uniques: Vec<UndoUnique<T>>,
    prefixes: HashMap<Vec<Value>, BTreeSet<T::Key>>,
    wanted: Vec<(Find, Vec<Value>)>,
    batch: u64,
}

/// The part of [`TableRows`] that does not name the row type.
trait AnyTable: Send {
    fn as_any(&mut self) -> &mut dyn Any;
    fn meta(&self) -> &'static TableMeta;
    fn begin_batch(&mut self, batch: u64);
    fn take_wanted(&mut self, table: usize, loads: &mut Vec<Load>);
    fn accept(&mut self, load: &Load, stored: Vec<StoredRow>) -> Result<(), Fault>;
    fn keep_command(&mut self);
    fn undo_command(&mut self);
    fn doubt(&mut self) -> bool;
    fn undo_batch(&mut self);
    fn changes(&self) -> Changes;
    fn committed(&mut self, version: i64);
    fn forget(&mut self);
}

impl<T: Table> TableRows<T> {
    fn new(batch: u64) -> Self {
        Self {
            slots: HashMap::new(),
            touched: Vec::new(),
            absent: Vec::new(),
            undo: Vec::new(),
            uniques: HashMap::new(),
            undo_uniques: Vec::new(),
            prefixes: HashMap::new(),
            wanted: Vec::new(),
            batch,
        }
    }

    /// The slot of `key`, noted as touched; unwinds when nobody has loaded it.
    fn slot(&mut self, key: &T::Key) -> &mut Slot<T> {
        let Some(slot) = self.slots.get_mut(key) else {
            self.wanted.push((Find::Primary, T::key_values(key)));
            resume_unwind(Box::new(NotLoaded))
        };
        if slot.batch != self.batch {
            slot.batch = self.batch;
            slot.touch = Touch::Read;
            self.touched.push(key.clone());
        }
        slot
    }

    /// The slot of `key`, about to change: its present content is kept for undoing.
    fn changing(&mut self, key: &T::Key) -> &mut Slot<T> {
        let slot = self.slot(key);
        let undo = Undo { key: key.clone(), row: slot.row.clone(), touch: slot.touch };
        if slot.touch == Touch::Read {
            slot.touch = Touch::Changed;
        }
        self.undo.push(undo);
        self.slots.get_mut(key).expect("the slot was there a moment ago")
    }

    fn insert(&mut self, row: T) {
        let key = row.key();
        let values = row.values();
        for (index, columns) in T::META.uniques.iter().enumerate() {
            let unique: Vec<Value> = columns.iter().map(|column| values[*column].clone()).collect();
            self.point_unique(index, unique, Some(key.clone()));
        }
        for (prefix, members) in &mut self.prefixes {
            if values.starts_with(prefix) {
                members.insert(key.clone());
            }
        }
        let slot = self.changing(&key);
        assert!(slot.row.is_none(), "{}: a row is inserted under a key that is taken", T::META.name);
        slot.row = Some(row);
        if slot.stored.is_some() {
            slot.touch = Touch::Replaced;
        }
    }

    fn delete(&mut self, key: &T::Key) -> Option<T> {
        let row = self.changing(key).row.take()?;
        let values = row.values();
        for (index, columns) in T::META.uniques.iter().enumerate() {
            let unique: Vec<Value> = columns.iter().map(|column| values[*column].clone()).collect();
            self.point_unique(index, unique, None);
        }
        Some(row)
    }

    fn point_unique(&mut self, index: usize, values: Vec<Value>, key: Option<T::Key>) {
        let before = self.uniques.insert((index, values.clone()), key);
        self.undo_uniques.push(UndoUnique { index, values, before });
    }

    /// An empty slot for a key the command believes to be free: nothing is loaded, the insert finds out.
    fn believe_absent(&mut self, key: T::Key) {
        if !self.slots.contains_key(&key) {
            self.absent.push(key.clone());
            self.slots
                .insert(key, Slot { stored: None, row: None, batch: 0, touch: Touch::Read, believed: true, doubted: false });
        }
    }
}

impl<T: Table> AnyTable for TableRows<T> {
    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn meta(&self) -> &'static TableMeta {
        T::META
    }

    fn begin_batch(&mut self, batch: u64) {
        self.batch = batch;
        self.touched.clear();
        self.uniques.clear();
        self.prefixes.clear();
        self.wanted.clear();
        self.keep_command();
        for key in self.absent.drain(..) {
            if self.slots.get(&key).is_some_and(|slot| slot.row.is_none()) {
                self.slots.remove(&key);
            }
        }
        if self.slots.len() > CACHED_ROWS_PER_TABLE {
            self.slots.retain(|_, slot| slot.batch + CACHED_BATCHES >= batch);
            if self.slots.len() > CACHED_ROWS_PER_TABLE {
                self.slots.retain(|_, slot| slot.batch + 2 >= batch);
            }
        }
    }

    fn take_wanted(&mut self, table: usize, loads: &mut Vec<Load>) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.sort_unstable();
        wanted.dedup();
        for (find, values) in wanted {
            match loads.last_mut() {
                Some(load) if load.table == table && load.find == find => load.wanted.push(values),
                _ => {
                    let by = match find {
                        Find::Primary => (0..T::META.key).collect(),
                        Find::Unique(index) => T::META.uniques[index].to_vec(),
                        Find::Prefix(columns) => (0..columns).collect(),
                    };
                    loads.push(Load { table, meta: T::META, by, find, wanted: vec![values] });
                }
            }
        }
    }

    fn accept(&mut self, load: &Load, stored: Vec<StoredRow>) -> Result<(), Fault> {
        let mut found: HashMap<Vec<Value>, BTreeSet<T::Key>> = HashMap::with_capacity(stored.len());
        for StoredRow { version, values } in stored {
            let by = load.by.iter().map(|column| values[*column].clone()).collect();
            let row = T::from_values(&mut values.into_iter())?;
            let key = row.key();
            found.entry(by).or_default().insert(key.clone());
            let changed_here = self.slots.get(&key).is_some_and(|slot| slot.batch == self.batch && slot.touch != Touch::Read);
            if !changed_here {
                let batch = self.slots.get(&key).map_or(0, |slot| slot.batch);
                let (stored, row) = (Some(version), Some(row));
                self.slots.insert(key, Slot { stored, row, batch, touch: Touch::Read, believed: false, doubted: false });
            }
        }
        for wanted in &load.wanted {
            let keys = found.remove(wanted).unwrap_or_default();
            match load.find {
                Find::Primary if keys.is_empty() => self.absent(wanted)?,
                Find::Primary => {}
                Find::Unique(index) => {
                    self.uniques.entry((index, wanted.clone())).or_insert_with(|| keys.into_iter().next());
                }
                Find::Prefix(_) => {
                    let members = self.slots.iter().filter(|(_, slot)| slot.batch == self.batch && slot.row.is_some());
                    let made_here = members.filter(|(key, _)| T::key_values(key).starts_with(wanted)).map(|(key, _)| key.clone());
                    let all = keys.into_iter().chain(made_here).collect();
                    self.prefixes.insert(wanted.clone(), all);
                }
            }
        }
        Ok(())
    }

    fn keep_command(&mut self) {
        self.undo.clear();
        self.undo_uniques.clear();
    }

    fn undo_command(&mut self) {
        while let Some(Undo { key, row, touch }) = self.undo.pop() {
            let slot = self.slots.get_mut(&key).expect("a slot that was changed stays until its batch ends");
            slot.row = row;
            slot.touch = touch;
        }
        while let Some(UndoUnique { index, values, before }) = self.undo_uniques.pop() {
            match before {
                Some(before) => self.uniques.insert((index, values), before),
                None => self.uniques.remove(&(index, values)),
            };
        }
    }

    /// Asks for the touched rows that are only believed to be absent; false when there are none.
    fn doubt(&mut self) -> bool {
        let before = self.wanted.len();
        for key in &self.touched {
            if let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.believed && slot.row.is_none()) {
                slot.doubted = true;
                self.wanted.push((Find::Primary, T::key_values(key)));
            }
        }
        self.wanted.len() > before
    }

    /// Rows that this batch changed are no longer what the store holds.
    fn undo_batch(&mut self) {
        for key in self.touched.drain(..) {
            self.slots.remove(&key);
        }
        self.keep_command();
    }

    fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        let mut keys: Vec<&T::Key> = self.touched.iter().collect();
        keys.sort_unstable();
        for key in keys {
            let Some(slot) = self.slots.get(key) else { continue };
            let seen = |version: i64| {
                let mut values = T::key_values(key);
                values.push(Value::Int(version));
                values
            };
            match (slot.stored, &slot.row, slot.touch) {
                (None, Some(row), _) => changes.inserts.push(row.values()),
                (None, None, _) => {}
                (Some(version), _, Touch::Read) => changes.checks.push(seen(version)),
                (Some(version), None, _) => changes.deletes.push(seen(version)),
                (Some(version), Some(row), touch) => {
                    let (rest, list) = match touch {
                        Touch::Replaced => (T::META.key, &mut changes.replaces),
                        _ => (T::META.key + T::META.once, &mut changes.updates),
                    };
                    let mut values = seen(version);
                    values.extend(row.values().drain(rest..));
                    list.push(values);
                }
            }
        }
        changes
    }

    fn committed(&mut self, version: i64) {
        for key in self.touched.drain(..) {
            let Some(slot) = self.slots.get_mut(&key) else { continue };
            if slot.row.is_none() {
                self.slots.remove(&key); // absence is never remembered: another process may insert
            } else if slot.touch != Touch::Read {
                slot.stored = Some(version);
                slot.touch = Touch::Read;
                slot.believed = false;
            }
        }
        self.keep_command();
    }

    fn forget(&mut self) {
        self.slots.clear();
        self.touched.clear();
        self.uniques.clear();
        self.prefixes.clear();
        self.keep_command();
    }
}

impl<T: Table> TableRows<T> {
    /// Notes that the store has no row under these key values, for the rest of the batch. Rows are loaded one table after the other: what
    /// another process commits in between is seen in part, so a refusal that rests on an absence looks once more.
    fn absent(&mut self, wanted: &[Value]) -> Result<(), Fault> {
        let key = T::key_from_values(&mut wanted.iter().cloned())?;
        self.believe_absent(key.clone());
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.believed = !slot.doubted;
        }
        Ok(())
    }
}

/// Collects what a command will probably touch.
pub struct Keys<'a>(&'a mut Rows);

impl<'a> Keys<'a> {
    pub(crate) fn new(rows: &'a mut Rows) -> Self {
        Self(rows)
    }

    /// The row with this primary key, present or not.
    #[expect(clippy::needless_pass_by_value, reason = "keys are tuples built at the call, as for `fresh`")]
    pub fn row<T: Table>(&mut self, key: T::Key) {
        let table = self.0.table::<T>();
        // What another command of the batch only believes is no answer for this one.
        if table.slots.get(&key).is_none_or(|slot| slot.believed && slot.row.is_none()) {
            table.wanted.push((Find::Primary, T::key_values(&key)));
        }
    }

    /// A primary key the command believes to be free (it was just made, or looked up and found absent). Nothing is loaded: should the
    /// belief be wrong, the insert notices, and the command is decided again on loaded rows. A refusal inserts nothing, so before a
    /// command is refused the key is loaded after all and the command decided again.
    pub fn fresh<T: Table>(&mut self, key: T::Key) {
        if self.0.careful {
            self.row::<T>(key);
        } else {
            self.0.table::<T>().believe_absent(key);
        }
    }

    /// The row with this unique key, present or not.
    pub fn unique<U: UniqueKey>(&mut self, key: &U) {
        self.0.table::<U::Of>().wanted.push((Find::Unique(U::INDEX), key.values()));
    }

    /// All rows whose primary key begins with these columns.
    pub fn prefix<T: Table>(&mut self, prefix: &impl KeyPrefix<T>) {
        let values = prefix.values();
        self.0.table::<T>().wanted.push((Find::Prefix(values.len()), values));
    }
}

/// The rows as the command at hand sees them: everything its predecessors in the batch have done is there.
///
/// Touching a row that is not loaded ends the decision by unwinding (which the writer catches), loads it and decides again. Borrow rows
/// one after the other.
pub struct Rows {
    tables: Vec<(TypeId, Box<dyn AnyTable>)>,
    boot: BootId,
    batch: u64,
    /// The time of this machine when the batch began.
    machine_time: Timestamp,
    /// Believe nothing to be absent: another process writes the same rows.
    careful: bool,
}

impl Rows {
    pub(crate) fn new(boot: BootId) -> Self {
        Self { tables: Vec::new(), boot, batch: 0, machine_time: Timestamp::EPOCH, careful: false }
    }

    fn table<T: Table>(&mut self) -> &mut TableRows<T> {
        let wanted = TypeId::of::<T>();
        let known = self.tables.iter().position(|(id, _)| *id == wanted);
        let position = known.unwrap_or_else(|| {
            self.tables.push((wanted, Box::new(TableRows::<T>::new(self.batch))));
            self.tables.len() - 1
        });
        self.tables[position].1.as_any().downcast_mut().expect("tables are filed under their own type")
    }

    /// Which process this is, for rows that say who works on them.
    pub fn boot(&self) -> BootId {
        self.boot
    }

    /// Makes sure that rows are found by the time in their ids. For an id that this machine made more than [`IN_TIME_SECONDS`] ago, because
    /// the machine stood still since or its clock was set, the decision ends here, by unwinding: nothing of it is kept, and its caller is
    /// told that the store is not available.
    pub fn in_time<K>(&self, id: Id<K>) {
        let is_late = |made_at: Timestamp| self.machine_time > made_at.plus_seconds(IN_TIME_SECONDS);
        if id.made_at().is_some_and(is_late) {
            resume_unwind(Box::new(TooLate));
        }
    }

    /// The row with this primary key.
    pub fn get<T: Table>(&mut self, key: &T::Key) -> Option<&T> {
        self.table::<T>().slot(key).row.as_ref()
    }

    /// The row with this primary key, to be changed. Only state columns are written.
    pub fn get_mut<T: Table>(&mut self, key: &T::Key) -> Option<&mut T> {
        self.table::<T>().changing(key).row.as_mut()
    }

    /// A row whose absence would be a defect.
    ///
    /// # Panics
    /// When it is absent; the panic fails this command alone.
    pub fn must<T: Table>(&mut self, key: &T::Key) -> &T {
        self.get::<T>(key).unwrap_or_else(|| panic!("{}: a row that must be there is not", T::META.name))
    }

    /// As [`Rows::must`], to be changed.
    ///
    /// # Panics
    /// When it is absent; the panic fails this command alone.
    pub fn must_mut<T: Table>(&mut self, key: &T::Key) -> &mut T {
        self.get_mut::<T>(key).unwrap_or_else(|| panic!("{}: a row that must be there is not", T::META.name))
    }

    /// The row with this unique key.
    pub fn find<U: UniqueKey>(&mut self, unique: &U) -> Option<&U::Of> {
        let key = self.find_key(unique)?;
        self.get::<U::Of>(&key)
    }

    /// The row with this unique key, to be changed.
    pub fn find_mut<U: UniqueKey>(&mut self, unique: &U) -> Option<&mut U::Of> {
        let key = self.find_key(unique)?;
        self.get_mut::<U::Of>(&key)
    }

    fn find_key<U: UniqueKey>(&mut self, unique: &U) -> Option<<U::Of as Table>::Key> {
        let table = self.table::<U::Of>();
        let values = unique.values();
        if let Some(found) = table.uniques.get(&(U::INDEX, values.clone())) {
            return found.clone();
        }
        table.wanted.push((Find::Unique(U::INDEX), values));
        resume_unwind(Box::new(NotLoaded))
    }

    /// The keys of all rows that begin with these columns, in key order.
    pub fn all<T: Table>(&mut self, prefix: &impl KeyPrefix<T>) -> Vec<T::Key> {
        let table = self.table::<T>();
        let values = prefix.values();
        if let Some(keys) = table.prefixes.get(&values) {
            return keys.iter().filter(|key| table.slots.get(key).is_some_and(|slot| slot.row.is_some())).cloned().collect();
        }
        table.wanted.push((Find::Prefix(values.len()), values));
        resume_unwind(Box::new(NotLoaded))
    }

    /// Inserts a row under a key that was looked up and found absent.
    ///
    /// # Panics
    /// When the key is taken; the panic fails this command alone.
    pub fn insert<T: Table>(&mut self, row: T) {
        self.table::<T>().insert(row);
    }

    /// Inserts a row whose key was just made, without looking it up.
    ///
    /// # Panics
    /// When the key is taken after all; the panic fails this command alone.
    pub fn append<T: Table>(&mut self, row: T) {
        let table = self.table::<T>();
        table.believe_absent(row.key());
        table.insert(row);
    }

    /// Removes a row and returns it.
    pub fn delete<T: Table>(&mut self, key: &T::Key) -> Option<T> {
        self.table::<T>().delete(key)
    }

    pub(crate) fn begin_batch(&mut self, boot: BootId, machine_time: Timestamp, careful: bool) {
        self.boot = boot;
        self.machine_time = machine_time;
        self.batch += 1;
        self.careful = careful;
        for (_, table) in &mut self.tables {
            table.begin_batch(self.batch);
        }
    }

    pub(crate) fn take_wanted(&mut self) -> Vec<Load> {
        let mut loads = Vec::new();
        for (position, (_, table)) in self.tables.iter_mut().enumerate() {
            table.take_wanted(position, &mut loads);
        }
        loads.sort_by(|left, right| (left.meta.name, left.find).cmp(&(right.meta.name, right.find)));
        loads
    }

    pub(crate) fn accept(&mut self, load: &Load, stored: Vec<StoredRow>) -> Result<(), Fault> {
        self.tables[load.table].1.accept(load, stored)
    }

    pub(crate) fn keep_command(&mut self) {
        self.tables.iter_mut().for_each(|(_, table)| table.keep_command());
    }

    pub(crate) fn undo_command(&mut self) {
        self.tables.iter_mut().for_each(|(_, table)| table.undo_command());
    }

    /// A refusal writes nothing, so no insert finds out whether a key that was believed to be free is, nor whether one that was found
    /// free still is. Asks for such rows; true when there were any and the refused command must be decided again.
    pub(crate) fn doubt(&mut self) -> bool {
        self.tables.iter_mut().fold(false, |doubt, (_, table)| table.doubt() || doubt)
    }

    pub(crate) fn undo_batch(&mut self) {
        self.tables.iter_mut().for_each(|(_, table)| table.undo_batch());
    }

    /// What the batch does, table by table in a fixed order.
    pub(crate) fn changes(&self) -> Vec<(&'static TableMeta, Changes)> {
        let mut changes: Vec<_> = self.tables.iter().map(|(_, table)| (table.meta(), table.changes())).collect();
        changes.retain(|(_, changes)| !changes.is_empty());
        changes.sort_by_key(|(meta, _)| meta.name);
        changes
    }

    pub(crate) fn committed(&mut self, version: i64) {
        self.tables.iter_mut().for_each(|(_, table)| table.committed(version));
    }

    /// Drops everything remembered: another process may have changed it.
    pub(crate) fn forget(&mut self) {
        self.tables.iter_mut().for_each(|(_, table)| table.forget());
    }
}
