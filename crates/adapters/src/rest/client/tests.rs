use super::*;

#[test]
fn messages_of_errors_are_found_wherever_servers_put_them() {
    let found = |text: &str| said(&serde_json::from_str(text).unwrap());
    assert_eq!(found(r#"{"error": {"message": "no"}}"#).as_deref(), Some("no"));
    assert_eq!(found(r#"{"title": "Gone", "detail": "it went"}"#).as_deref(), Some("it went"));
    let listed = found(r#"{"errors": {"name": ["is long"]}}"#);
    assert_eq!(listed.as_deref(), Some(r#"{"name":["is long"]}"#));
    assert_eq!(found("[1]"), None);
}

#[test]
fn a_bomb_is_not_unpacked_beyond_the_bound() {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..33 {
        packer.write_all(&zeros).unwrap();
    }
    let packed = packer.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    assert!(matches!(unpacked(&packed), Err(Unpacking::TooLong)));
    assert!(matches!(unpacked(&packed[..100]), Err(Unpacking::Damaged)));
}

#[test]
fn times_of_headers_are_read() {
    let found = http_date("Sun, 06 Nov 1994 08:49:37 GMT").map(Timestamp::ms);
    assert_eq!(found, Some(784_111_777_000));
    assert_eq!(http_date("soon"), None);
}
