//! Development: modules that have changed are imported anew, all or none.

mod workers;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use oxbridge_embed::{Builder, Error, Python};
use workers::{ask, eventually};

/// A directory with a package of this name, and a function in it that shows what a second module says.
struct Project {
    name: String,
    place: PathBuf,
    version: u64,
}

impl Project {
    fn new(name: &str) -> Self {
        let place = workers::place().join(format!("project_{name}"));
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(place.join(name)).unwrap();
        let mut project = Project {
            name: name.to_owned(),
            place,
            version: 0,
        };
        project.write("__init__.py", "");
        project.write("texts.py", "text = 'one'");
        project.write(
            "web.py",
            "from .texts import text\ncalls = 0\n\
             def answer(*a):\n    global calls\n    calls += 1\n    return 200, f'{text} {calls}', {}\n",
        );
        project
    }

    /// Writes a file, each time with a date of its own.
    fn write(&mut self, file: &str, source: &str) {
        let path = self.place.join(&self.name).join(file);
        std::fs::write(&path, source).unwrap();
        self.version += 1;
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.version);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(date).unwrap();
    }

    fn builder(&self) -> Builder {
        Python::builder()
            .path(&self.place)
            .request(format!("{}.web", self.name), "answer")
    }
}

fn says(python: &Python) -> String {
    String::from_utf8(ask(python).unwrap().body.to_vec()).unwrap()
}

#[test]
fn what_has_changed_is_imported_anew_and_in_order() {
    let mut project = Project::new("in_order");
    let python = project.builder().start().unwrap();
    assert_eq!(says(&python), "one 1");
    assert_eq!(python.reload().unwrap(), Vec::<String>::new());
    assert_eq!(says(&python), "one 2");
    project.write("texts.py", "text = 'two'");
    let web = std::fs::read_to_string(project.place.join("in_order/web.py")).unwrap();
    project.write("web.py", &web);
    assert_eq!(python.reload().unwrap(), ["in_order.texts", "in_order.web"]);
    assert_eq!(says(&python), "two 1");
    assert_eq!(python.reload().unwrap(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_imported_leaves_everything_as_it_was() {
    let mut project = Project::new("all_or_none");
    let python = project.builder().start().unwrap();
    assert_eq!(says(&python), "one 1");
    project.write("texts.py", "text = 'two'");
    project.write("web.py", "def answer(:\n");
    let e = python.reload().unwrap_err();
    assert!(
        matches!(&e, Error::Python { exception, traceback, .. } if exception == "SyntaxError" && traceback.contains("web.py")),
        "{e:?}"
    );
    assert_eq!(says(&python), "one 2");
    // A module that fails half way.
    project.write("web.py", "text = 'half'\ncalls = 100\n1 / 0\n");
    let e = python.reload().unwrap_err();
    assert_eq!(e.to_string(), "ZeroDivisionError: division by zero");
    assert_eq!(says(&python), "one 3");
    // One without the function: the module is new, the function stays.
    project.write("web.py", "");
    assert!(matches!(python.reload(), Err(Error::Missing { .. })));
    assert!(ask(&python).is_ok());
    project.write("web.py", "async def answer(*a): return 200, 'mended', {}\n");
    assert_eq!(python.reload().unwrap(), ["all_or_none.web"]);
    assert_eq!(says(&python), "mended");
    project.write("web.py", "def answer(*a): return 200, 'plain again', {}\n");
    python.reload().unwrap();
    assert_eq!(says(&python), "plain again");
}

#[test]
fn it_may_happen_by_itself() {
    let mut project = Project::new("by_itself");
    let python = project.builder().reload(true).start().unwrap();
    assert_eq!(says(&python), "one 1");
    project.write("web.py", "def answer(*a): return 200, 'two', {}\n");
    eventually("it is new", || says(&python) == "two");
    // What is wrong is logged, and the old one goes on.
    project.write("web.py", "def answer(:\n");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(says(&python), "two");
    project.write("web.py", "def answer(*a): return 200, 'three', {}\n");
    eventually("it is new", || says(&python) == "three");
}
