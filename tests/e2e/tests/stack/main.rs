//! Tests of the whole path on real eBPF. Without root or BTF they are skipped, with the reason.

mod accounting;
mod attack;
mod containers;
mod dumps;
mod faults;
mod killed;
mod kinds;
mod paths;
mod pod;
mod privileges;
mod recording;
mod storm;
mod subscribers;

use e2e::{Stack, StackOptions};
use libtest_mimic::{Arguments, Failed, Trial};
use workloads::cgroup::OwnCgroup;

type Test = fn() -> anyhow::Result<()>;

fn main() {
    let mut arguments = Arguments::from_args();
    // Every test loads its own programs and floods its own cgroup; side by side they would only disturb each other.
    arguments.test_threads = Some(1);
    let missing = e2e::missing_requirement();
    let no_containers = missing.clone().or_else(e2e::container::missing_requirement);
    let no_containerd = missing.clone().or_else(e2e::containerd::missing_requirement);
    let no_python = missing.clone().or_else(subscribers::missing_python);
    let no_go = missing.clone().or_else(subscribers::missing_go);
    let mut trials = Vec::new();
    let mut add = |name: &str, missing: &Option<String>, test: Test| {
        if let Some(reason) = missing {
            #[expect(clippy::print_stderr, reason = "a skipped test says why")]
            {
                eprintln!("skipped {name}: {reason}");
            }
        }
        let run = move || test().map_err(|error| Failed::from(format!("{error:#}")));
        trials.push(Trial::test(name, run).with_ignored_flag(missing.is_some()));
    };
    add("every_event_is_delivered_or_counted", &missing, accounting::every_event_is_delivered_or_counted);
    add(
        "nothing_is_lost_when_the_analyzer_is_killed",
        &missing,
        accounting::nothing_is_lost_when_the_analyzer_is_killed,
    );
    add(
        "nothing_is_lost_when_the_reporter_is_killed",
        &missing,
        accounting::nothing_is_lost_when_the_reporter_is_killed,
    );
    add(
        "a_process_that_enters_the_scope_without_exec_has_its_program_and_so_have_its_children",
        &missing,
        paths::entering,
    );
    add("a_flipped_path_is_reported_as_the_file_that_was_opened", &missing, paths::flipped_path);
    add("events_of_a_container_carry_its_id_image_and_tag", &no_containers, containers::labels_from_podman);
    add(
        "events_of_a_container_of_containerd_carry_its_image_tag_and_pod",
        &no_containerd,
        containers::labels_from_containerd,
    );
    add(
        "the_pod_of_the_manifest_delivers_and_comes_back_whatever_is_killed",
        &no_containers,
        pod::killed_one_after_another,
    );
    add(
        "a_dump_of_a_container_holds_exactly_what_its_script_did_in_every_format",
        &no_containers,
        dumps::of_a_container,
    );
    add(
        "a_workload_of_random_names_ends_in_partial_dumps_that_say_what_was_taken_away",
        &missing,
        dumps::overload,
    );
    add("a_dump_survives_the_kill_of_a_service_or_says_what_it_lacks", &missing, dumps::killed);
    add("an_intake_that_fails_in_every_way_gets_everything_in_the_end", &missing, faults::failing_intake);
    add("random_bytes_on_every_socket_change_nothing", &missing, faults::random_bytes);
    add("a_wrong_uid_is_refused_by_the_probe", &missing, faults::wrong_uid);
    add("an_attack_on_every_socket_loses_restarts_and_grows_nothing", &missing, attack::attack);
    add("an_unknown_config_key_stops_the_start_with_its_name", &missing, faults::unknown_key);
    add("an_unwritable_output_is_a_clear_error", &missing, faults::unwritable_output);
    add("services_run_with_no_more_rights_than_they_need", &missing, privileges::least_privilege);
    add(
        "services_have_users_of_their_own_and_nothing_of_whoever_starts_them",
        &missing,
        privileges::users_of_their_own,
    );
    add("services_end_with_their_supervisor", &missing, privileges::end_with_the_supervisor);
    add(
        "a_confined_service_is_refused_files_programs_sockets_and_new_bpf_programs",
        &missing,
        privileges::confinement,
    );
    add("a_recording_replays_to_the_same_events", &missing, recording::record_and_replay);
    add(
        "a_kind_is_switched_off_and_on_under_load_and_no_other_loses_an_event",
        &missing,
        kinds::switched_under_load,
    );
    add("a_subscriber_in_python_gets_what_happens", &no_python, subscribers::in_python);
    add("a_subscriber_in_go_gets_what_happens", &no_go, subscribers::in_go);
    add("a_flood_of_one_workload_hides_nothing_of_another", &missing, storm::flood);
    add("every_event_of_a_chaos_is_at_an_output_or_accounted_for", &missing, storm::chaos);
    add("nothing_is_lost_when_the_analyzer_stands_for_twelve_seconds", &missing, killed::analyzer_stopped);
    add(
        "nothing_is_lost_when_the_analyzer_is_killed_at_its_first_batch_and_with_an_empty_table",
        &missing,
        killed::analyzer_killed_at_the_first_batch,
    );
    add(
        "nothing_is_lost_when_the_analyzer_is_killed_while_tags_are_pending",
        &missing,
        killed::analyzer_killed_while_tags_are_pending,
    );
    add(
        "what_a_probe_that_is_killed_twice_in_a_row_missed_is_inside_a_reported_gap",
        &missing,
        killed::probe_killed_twice,
    );
    add("nothing_is_lost_when_the_disk_is_full_for_a_while", &missing, killed::disk_full);
    add("the_demo_prints_the_json_of_every_event_and_nothing_else", &missing, recording::demo_json);
    libtest_mimic::run(&arguments, trials).exit();
}

/// Runs an async test on its own runtime.
fn run<F: Future<Output = anyhow::Result<()>>>(test: F) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(test)
}

/// A stack that watches one cgroup of its own, which is removed after the stack has ended.
async fn scoped(mut options: StackOptions) -> anyhow::Result<(OwnCgroup, Stack)> {
    let cgroup = OwnCgroup::new(&format!("shrike-e2e-{}", std::process::id()))?;
    options.scope = format!("cgroup={}", cgroup.path());
    let stack = Stack::start(&options).await?;
    Ok((cgroup, stack))
}
