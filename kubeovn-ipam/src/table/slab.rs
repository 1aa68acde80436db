//! Records by small ids.

/// Records per chunk: growing copies at most so many.
const CHUNK: usize = 1 << 12;

/// Records by id; ids of removed records are given again.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { chunks: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        if let Some(id) = self.vacant.pop()
            && let Some(place) = self.place(id)
        {
            *place = Some(item);
            return id;
        }
        let full = self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK);
        if full {
            // The first one grows as it is filled: most ledgers are small.
            let room = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(room));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let Some(chunk) = self.chunks.last_mut() else { return u32::MAX };
        chunk.push(Some(item));
        // 2^32 records would be 180 GB.
        u32::try_from(before + chunk.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.chunks.get(id as usize / CHUNK)?.get(id as usize % CHUNK)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.place(id)?.as_mut()
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let item = self.place(id)?.take();
        if item.is_some() {
            self.vacant.push(id);
        }
        item
    }

    /// Records with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.chunks.iter().flatten()).filter_map(|(id, item)| Some((id, item.as_ref()?)))
    }

    fn place(&mut self, id: u32) -> Option<&mut Option<T>> {
        self.chunks.get_mut(id as usize / CHUNK)?.get_mut(id as usize % CHUNK)
    }
}
