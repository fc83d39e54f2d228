//! `shop [FILE] [ADDRESS] [TOKEN] [LIMIT]`: opens the shop until it is stopped; so many requests a second.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().map_or_else(|| PathBuf::from("shop.db"), PathBuf::from);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7711".into());
    let token = arguments.next().unwrap_or_else(|| "open-sesame".into());
    let limit = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let shop = syncline_shop::Shop::open(&file, &token, limit)?;
    let listener = tokio::net::TcpListener::bind(&address).await?;
    say(&format!("the shop is open: http://{}/api/", listener.local_addr()?));
    shop.serve(listener).await?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a program says that it is up")]
fn say(text: &str) {
    eprintln!("{text}");
}
