//! When something begins and ends, as authors write it.

use super::*;

/// What becomes of a notice's beginning, by the item's `time_zone`: the moment, or the message.
fn begin(zone: Option<&str>, text: &str) -> Result<String, String> {
    let item = notice(json!({"starts_at": text, "time_zone": zone, "ends_at": null}));
    match check_item(Kind::Notices, item.to_string().as_bytes()) {
        Ok(item) => Ok(item["starts_at"].as_str().unwrap().to_owned()),
        Err(Rejection::Faults(faults)) => {
            let [fault] = &faults[..] else {
                panic!("{text}: {faults:?}")
            };
            let told = (fault.pointer.as_str(), fault.code.as_str());
            assert_eq!(told, ("/starts_at", "bad_format"), "{text}");
            Err(fault.message.clone())
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_time_lands_where_its_author_meant() {
    let seoul = Some("Asia/Seoul");
    let new_york = Some("America/New_York");
    let lord_howe = Some("Australia/Lord_Howe");
    for (zone, text, moment) in [
        // As everywhere; the zone beside it is for other times.
        (
            None,
            "2026-11-20T10:00:00+09:00",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            new_york,
            "2026-11-20T01:00:00.000Z",
            "2026-11-20T01:00:00.000Z",
        ),
        (None, "2026-11-20T10:00+09:00", "2026-11-20T01:00:00.000Z"),
        // With a zone of its own.
        (
            None,
            "2026-11-20T10:00:00+09:00[Asia/Seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            None,
            "2026-11-20T10:00[Asia/Seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            None,
            "2026-11-20t10:00[asia/seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            None,
            "2026-11-20T10:00[!Asia/Seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            None,
            "2026-11-20T01:00Z[Asia/Seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            None,
            "2026-11-20T01:00:00-00:00[Asia/Seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        (
            new_york,
            "2026-11-20T10:00[Asia/Seoul]",
            "2026-11-20T01:00:00.000Z",
        ),
        // In the item's zone.
        (seoul, "2026-11-20T10:00", "2026-11-20T01:00:00.000Z"),
        (seoul, "2026-11-20T10:00:30", "2026-11-20T01:00:30.000Z"),
        (seoul, "2026-11-20T10:00:30.5", "2026-11-20T01:00:30.500Z"),
        (seoul, "2026-11-20T00:00", "2026-11-19T15:00:00.000Z"),
        // On both sides of a gap: clocks go from 02:00 to 03:00 on 8 March 2026.
        (
            new_york,
            "2026-03-08T01:59:59.999",
            "2026-03-08T06:59:59.999Z",
        ),
        (new_york, "2026-03-08T03:00", "2026-03-08T07:00:00.000Z"),
        // On both sides of a fold, and in it: from 02:00 to 01:00 on 1 November 2026.
        (new_york, "2026-11-01T00:59", "2026-11-01T04:59:00.000Z"),
        (new_york, "2026-11-01T02:00", "2026-11-01T07:00:00.000Z"),
        (
            new_york,
            "2026-11-01T01:30:00-04:00",
            "2026-11-01T05:30:00.000Z",
        ),
        (
            new_york,
            "2026-11-01T01:30:00-05:00",
            "2026-11-01T06:30:00.000Z",
        ),
        (
            None,
            "2026-11-01T01:30-04:00[America/New_York]",
            "2026-11-01T05:30:00.000Z",
        ),
        (
            None,
            "2026-11-01T01:30-05:00[America/New_York]",
            "2026-11-01T06:30:00.000Z",
        ),
        // Half an hour only: +11:00 in summer, +10:30 in winter.
        (lord_howe, "2026-01-15T12:00", "2026-01-15T01:00:00.000Z"),
        (lord_howe, "2026-07-15T12:00", "2026-07-15T01:30:00.000Z"),
        (lord_howe, "2026-10-04T01:59", "2026-10-03T15:29:00.000Z"),
        (lord_howe, "2026-10-04T02:30", "2026-10-03T15:30:00.000Z"),
        (lord_howe, "2026-04-05T02:00", "2026-04-04T15:30:00.000Z"),
    ] {
        assert_eq!(begin(zone, text).as_deref(), Ok(moment), "{zone:?} {text}");
    }
}

#[test]
fn a_time_that_is_none_or_two_is_refused_with_what_to_write_instead() {
    let seoul = Some("Asia/Seoul");
    let new_york = Some("America/New_York");
    for (zone, text, told) in [
        (None, "2026-11-20T10:00", "time_zone"),
        (None, "2026-11-20T10:00", "2026-11-20T10:00:00[Asia/Seoul]"),
        (new_york, "2026-03-08T02:00", "2026-03-08T03:00:00-04:00"),
        (new_york, "2026-03-08T02:30", "2026-03-08T03:30:00-04:00"),
        (None, "2026-03-08T02:30[America/New_York]", "put forward"),
        (
            None,
            "2026-03-08T02:30-05:00[America/New_York]",
            "put forward",
        ),
        (
            new_york,
            "2026-11-01T01:00",
            "2026-11-01T01:00:00-04:00 for the first",
        ),
        (
            new_york,
            "2026-11-01T01:59:59",
            "2026-11-01T01:59:59-05:00 for the second",
        ),
        (None, "2026-11-01T01:30[America/New_York]", "twice"),
        (
            Some("Australia/Lord_Howe"),
            "2026-10-04T02:15",
            "2026-10-04T02:45:00+11:00",
        ),
        (
            Some("Australia/Lord_Howe"),
            "2026-04-05T01:45",
            "+11:00 for the first",
        ),
        (None, "2026-11-20T10:00:00-05:00[Asia/Seoul]", "+09:00"),
        (
            None,
            "2026-11-01T01:30-06:00[America/New_York]",
            "-04:00 or -05:00",
        ),
        (None, "2026-11-20T10:00[Mars/Olympus]", "Mars/Olympus"),
        (None, "2026-11-20T10:00[]", "IANA"),
        (seoul, "2026-02-30T10:00", "calendar"),
        (seoul, "2026-11-20T25:00", "calendar"),
        (seoul, "9999-12-31T23:59:59-23:00", "calendar"),
        // Forms that are none of these: what they are.
        (seoul, "tomorrow", "2026-11-20T10:00[Asia/Seoul]"),
        (seoul, "2026-11-20", "beside a time_zone"),
        (seoul, "2026-11-20 10:00", "RFC 3339"),
        (seoul, "2026-11-20T10:00:00.", "RFC 3339"),
        (seoul, "2026-11-20T10:00:00+0900", "RFC 3339"),
        (seoul, "2026-11-20T10:00:00+09:60", "RFC 3339"),
        (seoul, "2026-11-20T10:00[Asia/Seoul][u-ca=hebrew]", "IANA"),
        (seoul, "", "RFC 3339"),
    ] {
        let message = begin(zone, text).expect_err(text);
        assert!(message.contains(told), "{zone:?} {text}: {message}");
        assert!(!message.ends_with('…'), "{message}");
    }
}

#[test]
fn a_window_over_a_change_of_clocks_is_as_long_as_its_wall_clock_says() {
    for (starts_at, ends_at, hours) in [
        ("2026-03-28T12:00", "2026-03-29T12:00", 23),
        ("2026-10-24T12:00", "2026-10-25T12:00", 25),
        ("2026-06-01T12:00", "2026-06-02T12:00", 24),
    ] {
        let item = window(json!({
            "starts_at": starts_at, "ends_at": ends_at, "time_zone": "Europe/Berlin",
        }));
        let item = check_item(Kind::Maintenance, item.to_string().as_bytes()).unwrap();
        let moment =
            |name: &str| -> crate::Instant { item[name].as_str().unwrap().parse().unwrap() };
        let length = moment("ends_at").since(moment("starts_at"));
        assert_eq!(length.as_secs(), hours * 3600);
    }
}

#[test]
fn every_kind_with_a_schedule_takes_times_in_a_zone() {
    let local = json!({
        "starts_at": "2026-01-01T09:00", "ends_at": "2026-01-31T09:00[Asia/Tokyo]",
        "time_zone": "Asia/Seoul",
    });
    for (kind, item) in [
        (Kind::Campaigns, campaign(local.clone())),
        (Kind::Maintenance, window(local.clone())),
        (Kind::Banners, banner(local.clone())),
        (Kind::Notices, notice(local)),
    ] {
        let item = check_item(kind, item.to_string().as_bytes()).unwrap();
        assert_eq!(item["starts_at"], "2026-01-01T00:00:00.000Z", "{kind}");
        assert_eq!(item["ends_at"], "2026-01-31T00:00:00.000Z", "{kind}");
    }
    let end = json!({
        "gate": "service_end", "at": "2030-01-01T00:00[Asia/Seoul]", "message": {"default": "bye"},
    });
    let end = check_item(Kind::Maintenance, end.to_string().as_bytes()).unwrap();
    assert_eq!(end["at"], "2029-12-31T15:00:00.000Z");
}

#[test]
fn other_faults_are_told_beside_those_of_times() {
    let item = r#"{"pinned": 1, "priority": 0, "priority": 0, "starts_at": "2026-01-01T00:00",
        "ends_at": "2026-03-08T02:30[America/New_York]", "title": {"default": "t"}}"#;
    let Err(Rejection::Faults(found)) = check_item(Kind::Notices, item.as_bytes()) else {
        panic!()
    };
    let told = found.iter().map(|f| (f.pointer.as_str(), f.code.as_str()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("/body", "required"),
            ("/ends_at", "bad_format"),
            ("/pinned", "wrong_type"),
            ("/priority", "duplicate"),
            ("/starts_at", "bad_format"),
        ]
    );
    // Where only the zone is wrong, the times that are in it are not.
    let item = notice(json!({"time_zone": "Seoul", "starts_at": "2026-01-01T00:00"}));
    assert_eq!(
        faults(Kind::Notices, &item),
        [("/time_zone".to_owned(), "bad_format")]
    );
    // A time that does not belong there is no matter of its form.
    let item = json!({"gate": "blocked_device", "device_id": "d", "starts_at": "tomorrow"});
    assert_eq!(
        faults(Kind::Maintenance, &item),
        [("/starts_at".to_owned(), "unknown_field")]
    );
    // A rule between times holds what they stand for.
    let item = notice(json!({
        "starts_at": "2026-01-01T00:00[America/New_York]",
        "ends_at": "2026-01-01T12:00[Asia/Seoul]",
    }));
    assert_eq!(
        faults(Kind::Notices, &item),
        [("/ends_at".to_owned(), "out_of_range")]
    );
}
