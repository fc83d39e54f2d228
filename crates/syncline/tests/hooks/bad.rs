//! Webhooks that are broken, or lie about what they are.

use super::*;

#[test]
fn what_breaks_off_is_not_taken_and_what_lies_about_its_kind_is_read_as_it_is() {
    let town = town(2);
    let (daemon, address) = serve(&town);
    rename(&town, "c2@example.com", "Nora");
    let body = json!({ "type": "customers/updated", "data": { "id": 2 } }).to_string();
    let body = body.as_bytes();
    // One that ends before it is whole, and one that goes on behind its end.
    let mut cut = signed("e-1", 0, body);
    cut.push(("content-length", (body.len() + 10).to_string()));
    let mut stream = TcpStream::connect(&address).unwrap();
    let mut head = String::from("POST /hooks/shop HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    for (name, value) in &cut {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    let mut short = signed("e-2", 0, body);
    short.push(("content-length", (body.len() - 5).to_string()));
    assert_eq!(send(&address, "/hooks/shop", &short, body), 401);
    assert!(deliveries(&town).iter().all(|it| it["outcome"] != "accepted"));
    // What it says of itself is not believed, nor is it needed.
    for (number, kind) in
        ["text/html", "application/xml; charset=utf-7", "nonsense"].iter().enumerate()
    {
        let mut lies = signed(&format!("e-{}", number + 3), 0, body);
        lies.push(("content-type", (*kind).into()));
        assert_eq!(send(&address, "/hooks/shop", &lies, body), 202, "{kind}");
    }
    becomes(&town, &daemon, NAME_OF_2, "Nora");
    // Letters that are none, in a body that is signed: something changed, and nobody knows what.
    rename(&town, "c1@example.com", "Zoe");
    let wrong = b"{\"type\": \"customers/updated\", \"data\": {\"id\": \"\xff\xfe\"}}";
    assert_eq!(send(&address, "/hooks/shop", &signed("e-9", 0, wrong), wrong), 202);
    becomes(&town, &daemon, "select first_name from contacts where id = 1", "Zoe");
}
