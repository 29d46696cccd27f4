//! What is kept for the next time, written beside the screen: a disk that is slow keeps no key waiting. In order, and of what
//! waits the newest is written.

use super::super::{
    session::{self, Session},
    tour::seen,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// What waits to be written; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Remembering(Arc<Slots>);

#[derive(Debug, Default)]
struct Slots {
    session: Mutex<Option<(PathBuf, Session)>>,
    tour: Mutex<Option<PathBuf>>,
    /// Held by who writes.
    file: Mutex<()>,
}

impl Remembering {
    /// In place of what waits already.
    pub fn keep(&self, path: &Path, session: Session) {
        put(&self.0.session, (path.to_owned(), session));
    }

    /// The tour was seen: that is written down here.
    pub fn keep_tour(&self, path: PathBuf) {
        put(&self.0.tour, path);
    }

    /// Writes what waits, after whoever writes now. What could not be kept, in a sentence.
    pub fn write(&self) -> Option<String> {
        let _alone = self.0.file.lock().unwrap_or_else(PoisonError::into_inner);
        let tour = take(&self.0.tour).and_then(|path| seen::write(&path).err());
        let session = take(&self.0.session).and_then(|(path, session)| session::save(&path, session).err());
        let tour = tour.map(|error| format!("the tour will be shown again, for this is not kept: {error}"));
        tour.or_else(|| session.map(|error| format!("it is not kept for the next time: {error}")))
    }
}

fn put<T>(slot: &Mutex<Option<T>>, value: T) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_written_once_and_a_complaint_says_what_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let (session, tour) = (folder.path().join("session"), folder.path().join("tour-seen"));
        let remembering = Remembering::default();
        remembering.keep(&folder.path().join("older"), Session::default());
        remembering.keep(&session, Session::default());
        remembering.keep_tour(tour.clone());
        assert_eq!(remembering.clone().write(), None);
        assert!(session.exists() && tour.exists() && !folder.path().join("older").exists());
        std::fs::remove_file(&session).expect("it is there");
        assert_eq!(remembering.write(), None, "nothing waits any more");
        assert!(!session.exists());
        remembering.keep(&tour.join("below-a-file"), Session::default());
        assert!(remembering.write().is_some_and(|said| said.starts_with("it is not kept for the next time: ")));
    }
}
