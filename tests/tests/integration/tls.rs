//! TLS on the listener itself.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use testkit::on_both_engines;
use testkit::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A certificate for `localhost` that only these tests trust.
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tls/localhost.crt");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tls/localhost.key");

on_both_engines! {
    async fn requests_are_answered_over_tls_and_only_over_tls(mut world) {
        world.stop().await;
        world.set("tls_cert", CERTIFICATE);
        world.set("tls_key", KEY);
        world.boot().await;
        assert!(world.door().base_url().starts_with("https://"));

        let answer = ask(&world, "http/1.1").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("strict-transport-security:"), "{answer}");

        let mut clear = TcpStream::connect(address(&world)).await.expect("the port is open");
        clear.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("it takes bytes");
        let mut said = Vec::new();
        // Closed at once, with or without a TLS alert; never an answer in the clear.
        let _closed = clear.read_to_end(&mut said).await;
        assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1 200"));
        world.verify_settled().await;
    }
}

fn address(world: &World) -> String {
    world.door().base_url().trim_start_matches("https://").to_owned()
}

async fn ask(world: &World, protocol: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(Path::new(CERTIFICATE)).expect("a certificate")).expect("it can be trusted");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address(world)).await.expect("the port is open");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("TLS is spoken");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("it takes bytes");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.expect("it answers");
    String::from_utf8_lossy(&said).into_owned()
}
