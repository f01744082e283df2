import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.StringJoiner;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java's HttpClient. Arguments: the port, the CA's file. Writes one JSON
 * object: what a program got of each step.
 */
public class Client {
	static final StringJoiner got = new StringJoiner(",");
	static HttpClient client;
	static String port;

	public static void main(String[] args) throws Exception {
		port = args[0];
		KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
		trusted.load(null);
		try (FileInputStream in = new FileInputStream(args[1])) {
			trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
		}
		TrustManagerFactory managers = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
		managers.init(trusted);
		SSLContext tls = SSLContext.getInstance("TLS");
		tls.init(null, managers.getTrustManagers(), null);
		client = HttpClient.newBuilder().sslContext(tls).build();

		step("page", "page", false);
		step("share", "share", false);
		// It sends no authority but that of the URL.
		step("get", "nowhere", false);
		step("post", "nowhere", true);
		step("locked", "locked", false);
		System.out.println("{\"version\":\"" + System.getProperty("java.version") + "\",\"got\":{" + got + "}}");
		System.exit(0);
	}

	static void step(String step, String name, boolean post) {
		HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("https://" + name + ".shop.test:" + port + "/echo"))
				.timeout(Duration.ofSeconds(step.equals("locked") ? 10 : 60));
		if (post) {
			request.POST(HttpRequest.BodyPublishers.ofString("x".repeat(65536)));
		}
		String result;
		try {
			result = String.valueOf(client.send(request.build(), HttpResponse.BodyHandlers.ofString()).statusCode());
		} catch (Exception e) {
			result = "failed: " + e.getClass().getSimpleName();
		}
		got.add("\"" + step + "\":\"" + result + "\"");
	}
}
