//! That nothing is left, however a test ends.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::kubernetes::{
    Kubernetes,
    process::{Program, is_running},
};

/// How long the kernel may take to end a process.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tells the test below that it is the one to be killed.
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

/// A process like this one starts a program and is killed. It also shows that the program outlives the thread that
/// started it.
#[test]
fn programs_end_with_a_process_that_is_killed() {
    if env::var_os(VICTIM).is_some() {
        let log = env::temp_dir().join(format!("kubeovn-victim-{}", std::process::id()));
        let start = {
            let log = log.clone();
            move || {
                let mut command = Command::new("sleep");
                command.arg("600");
                Program::start(command, log)
            }
        };
        let program = std::thread::spawn(start).join().unwrap();
        fs::remove_file(log).unwrap();
        println!("started {}", program.id());
        loop {
            std::thread::park();
        }
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
    // it would be gone by now if the kernel had taken the thread for its parent
    assert!(is_running(program));

    victim.kill().unwrap();
    victim.wait().unwrap();
    let began = Instant::now();
    while is_running(program) {
        assert!(began.elapsed() < PATIENCE, "process {program} is left");
        std::thread::sleep(Duration::from_millis(10));
    }
}
