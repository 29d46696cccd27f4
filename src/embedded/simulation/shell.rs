//! The shell of a simulated host: enough to look around in, and honest about what it is.

use russh::ChannelMsg;

use super::{answers, session::Errand};

const HELP: &str =
    "hostname, uname, uptime, df, date, echo, cat /etc/os-release, systemctl status UNIT, journalctl [-u UNIT], exit\n";
/// A longer line is not a command of ours.
const LINE_BYTES: usize = 4096;

/// Reads lines and answers them until `exit` or the end of input; the exit status.
pub async fn run(errand: &mut Errand, terminal: bool) -> u32 {
    let name = errand.host.name.clone();
    let prompt = format!("root@{name} (simulated):~# ");
    let greeting = format!("{name} is a simulated host: nothing here is real. It knows: {HELP}");
    if write(errand, &format!("{greeting}{prompt}"), terminal).await.is_none() {
        return 255;
    }
    let mut line = Vec::new();
    while let Some(message) = errand.channel.wait().await {
        let data = match message {
            ChannelMsg::Data { data } => data,
            ChannelMsg::Eof | ChannelMsg::Close => return 0,
            _ => continue,
        };
        for byte in data.iter().copied() {
            let said = match byte {
                // End of input; interrupt.
                4 if line.is_empty() => return 0,
                3 => {
                    line.clear();
                    write(errand, &format!("^C\n{prompt}"), terminal).await
                }
                b'\r' | b'\n' => {
                    let command = String::from_utf8_lossy(&std::mem::take(&mut line)).trim().to_owned();
                    if command == "exit" || command == "logout" {
                        return 0;
                    }
                    let answer =
                        if command == "help" { HELP.into() } else { answers::answer(&errand.host, &command).text };
                    let echo = if terminal { "\n" } else { "" };
                    write(errand, &format!("{echo}{answer}{prompt}"), terminal).await
                }
                8 | 127 if terminal => match line.pop() {
                    Some(_) => errand.say("\u{8} \u{8}").await,
                    None => Some(()),
                },
                byte if byte >= b' ' && line.len() < LINE_BYTES => {
                    line.push(byte);
                    if terminal { errand.say(&char::from(byte).to_string()).await } else { Some(()) }
                }
                _ => Some(()),
            };
            if said.is_none() {
                return 255;
            }
        }
    }
    0
}

/// Writes text; a terminal in raw mode wants a carriage return with each line break.
async fn write(errand: &mut Errand, text: &str, terminal: bool) -> Option<()> {
    if terminal { errand.say(&text.replace('\n', "\r\n")).await } else { errand.say(text).await }
}
