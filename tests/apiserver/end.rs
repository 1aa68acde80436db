//! That nothing is left, however a test ends.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::kubernetes::{
    Kubernetes,
    process::{Program, is_running},
};

/// How long to wait for what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells the test below that its process is the one to be killed.
const VICTIM: &str = "KUBEOVN_TEST_VICTIM";

#[tokio::test]
async fn nothing_is_left_of_a_server() {
    let kubernetes = Kubernetes::start().await;
    let (processes, folder) = (kubernetes.processes(), kubernetes.folder().to_owned());
    assert!(processes.len() == 2 && processes.iter().copied().all(is_running) && folder.exists());

    // dropped by a panic, the server stopped at that, which no SIGTERM would end
    let failed = tokio::spawn(async move {
        kubernetes.pause();
        let _held = kubernetes;
        panic!("as a test that fails does");
    });
    assert!(failed.await.unwrap_err().is_panic());
    assert_eq!(processes.into_iter().filter(|process| is_running(*process)).count(), 0);
    assert!(!folder.exists());
}

/// A process like this one starts a program and is killed.
#[test]
fn programs_end_with_a_process_that_is_killed() {
    if env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "end::programs_end_with_a_process_that_is_killed", "--nocapture"])
        .env(VICTIM, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let started = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("started ")?.parse().ok());
    let program: u32 = started.expect("the number of a process");
    assert!(is_running(program));

    victim.kill().unwrap();
    victim.wait().unwrap();
    in_time("the program to end", || !is_running(program));
}

/// Starts a program, sees it go on although the thread that asked for it has ended, and waits to be killed.
fn be_the_victim() {
    let log = env::temp_dir().join(format!("kubeovn-victim-{}", std::process::id()));
    let printed = || fs::read(&log).unwrap().len();
    let start = || {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do echo; sleep 0.01; done"]);
        let program = Program::start(command, log.clone());
        in_time("the program to run", || printed() > 0);
        program
    };
    let program = thread::scope(|scope| scope.spawn(start).join().unwrap());
    let before = printed();
    in_time("the program to go on", || printed() > before + 20);
    fs::remove_file(&log).unwrap();
    println!("started {}", program.id());
    loop {
        thread::park();
    }
}

fn in_time(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
