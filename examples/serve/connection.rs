//! One client: reads its requests, answers them, and says why it closes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::select;
use tokio::task::unconstrained;
use tokio::time::timeout;
use tokio_util::codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Framed};
use tokio_util::sync::CancellationToken;

use crate::listener::Stream;
use crate::protocol::{Session, error_line};
use crate::server::Limits;

/// How long a closing connection waits for the client to close, too.
const LINGER: Duration = Duration::from_secs(1);

/// Answers requests until the client leaves, breaks a limit, or `closing` is cancelled. Then requests that have arrived
/// are still answered.
pub(crate) async fn serve(
    stream: Box<dyn Stream>,
    mut session: Session,
    Limits { line, idle, .. }: Limits,
    closing: CancellationToken,
) {
    let mut lines = Framed::new(stream, AnyDelimiterCodec::new_with_max_length(vec![b'\n'], vec![b'\n'], line));
    loop {
        // A line that is there goes first. `unconstrained` keeps tokio from hiding it to share the thread; the write of
        // the answer shares it.
        let next = select! {
            biased;
            next = timeout(idle, unconstrained(lines.next())) => next,
            () = closing.cancelled() => break,
        };
        let error = match next {
            Ok(Some(Ok(request))) => {
                match timeout(idle, lines.send(session.answer(&request))).await {
                    Ok(Ok(())) => continue,
                    // It is gone, or does not read, so there is nothing to tell it.
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            Ok(None | Some(Err(AnyDelimiterCodecError::Io(_)))) => break,
            Ok(Some(Err(AnyDelimiterCodecError::MaxChunkLengthExceeded))) => {
                format!("the line is too long: at most {line} bytes")
            }
            Err(_) => format!("no complete request within {idle:?}"),
        };
        return refuse(lines.into_inner(), error).await;
    }
    close(lines.into_inner()).await;
}

/// Tells the client why it is refused, and closes.
pub(crate) async fn refuse(mut stream: Box<dyn Stream>, error: String) {
    let line = error_line(error) + "\n";
    if let Ok(Ok(())) = timeout(LINGER, stream.write_all(line.as_bytes())).await {
        close(stream).await;
    }
}

/// Closes in the order that loses no answer: a socket that is closed with unread bytes may take them back.
async fn close(mut stream: Box<dyn Stream>) {
    let _ = timeout(LINGER, async {
        stream.shutdown().await?;
        copy(&mut stream, &mut sink()).await
    })
    .await;
}
