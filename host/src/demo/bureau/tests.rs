//! A notice goes out, the bureau's machine takes it, its officer answers, the plant reads the answer.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notices::sample;
use crate::notices::{Answer, Delivered, Deliverer, Sent, answer};
use axum::http::HeaderMap;
use std::net::Ipv4Addr;

fn text(notice: &brain::Notice) -> String {
    cap::build(notice, &sample::channel("http://x"))
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// The plant's side of an answer: hands on what it read, once the token is right.
async fn plant(listener: TcpListener, answers: mpsc::Sender<Answer>) {
    let take = move |headers: HeaderMap, body: Bytes| {
        let answers = answers.clone();
        async move {
            assert_eq!(headers["authorization"], "Bearer from-the-plant");
            answers.send(answer(&body, &[]).unwrap()).await.unwrap();
            StatusCode::NO_CONTENT
        }
    };
    let router = Router::new().route("/api/v1/cap", post(take));
    axum::serve(listener, router).await.unwrap();
}

#[tokio::test]
async fn a_notice_is_received_and_a_person_answers() {
    let (plant_listener, plant_url) = listen().await;
    let (answers, mut answered) = mpsc::channel(8);
    tokio::spawn(plant(plant_listener, answers));
    let (bureau_listener, bureau_url) = listen().await;
    let stop = CancellationToken::new();
    let officer = Officer { url: format!("{plant_url}/api/v1/cap"), token: "from-the-plant".to_owned(), after: Duration::ZERO };
    let bureau = tokio::spawn(run(bureau_listener, officer, stop.clone()));

    let notice = sample::notice();
    let deliverer = Deliverer::new(sample::channel(&format!("{bureau_url}/cap"))).unwrap();
    let receipt = Delivered::Receipt { code: "HTTP 200 CAP Ack demo.7.12.technical".to_owned(), accepted: true };
    assert_eq!(deliverer.deliver(Some(Sent::of(&notice)), text(&notice)).await, receipt);
    assert_eq!(deliverer.deliver(Some(Sent::of(&notice)), text(&notice)).await, receipt);

    let answer = answered.recv().await.unwrap();
    assert_eq!(answer.references[0].identifier, "demo.7.12");
    assert!(answer.accepted);
    assert_eq!(answer.mode, notice.mode);
    assert_eq!(answer.by.name, OFFICER);
    assert_eq!(answer.by.station, SENDER);

    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
    let rows: Vec<Received> =
        client.build().unwrap().get(format!("{bureau_url}/received")).send().await.unwrap().json().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0].identifier, rows[0].times), ("demo.7.12", 2));
    assert!(rows[0].headline.contains("报警"));

    stop.cancel();
    bureau.await.unwrap().unwrap();
    assert!(answered.try_recv().is_err(), "a resend is answered once");
}

#[tokio::test]
async fn what_is_no_sound_message_is_refused_for_good() {
    let (listener, url) = listen().await;
    let stop = CancellationToken::new();
    let officer = Officer { url: "http://127.0.0.1:1/".to_owned(), token: String::new(), after: Duration::ZERO };
    tokio::spawn(run(listener, officer, stop.clone()));
    let mut notice = sample::notice();
    notice.area = notice.area.map(|a| brain::site::Area { latitude: a.longitude, longitude: a.latitude, ..a });
    let deliverer = Deliverer::new(sample::channel(&format!("{url}/cap"))).unwrap();
    match deliverer.deliver(Some(Sent::of(&notice)), text(&notice)).await {
        Delivered::Failed { detail, rejected: true } => assert!(detail.contains("circle"), "{detail}"),
        other => panic!("{other:?}"),
    }
    stop.cancel();
}

#[tokio::test]
async fn heads_of_the_record_are_kept_as_they_came() {
    let (listener, url) = listen().await;
    let stop = CancellationToken::new();
    let officer = Officer { url: "http://127.0.0.1:1/".to_owned(), token: String::new(), after: Duration::ZERO };
    tokio::spawn(run(listener, officer, stop.clone()));
    let mut channel = sample::channel(&format!("{url}/cap"));
    channel.anchors = Some(crate::config::types::Anchors { url: format!("{url}/anchor"), every_s: 600 });
    let deliverer = Deliverer::new(channel).unwrap();
    let line = |seq: u64| format!(r#"{{"site":"demo","segment":1,"seq":{seq},"link":"00","at":5}}"#);
    for seq in [7, 8] {
        assert_eq!(deliverer.keep(line(seq)).await, Ok(()));
    }
    assert_eq!(deliverer.keep("{}".to_owned()).await, Err("HTTP 400".to_owned()));
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let kept = client.get(format!("{url}/anchors")).send().await.unwrap().text().await.unwrap();
    assert_eq!(kept, format!("{}\n{}\n", line(7), line(8)));
    stop.cancel();
}
