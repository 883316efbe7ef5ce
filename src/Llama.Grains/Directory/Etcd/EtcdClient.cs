using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Llama.Grains.Certificates;
using Llama.Grains.Links;
using Llama.Grains.Settings;

namespace Llama.Grains.Directory.Etcd;

/// <summary>
/// Calls etcd's JSON gateway (<c>/v3/…</c> of etcd 3.4 and later). Calls block, so that they need no thread but the caller's; a server
/// that does not answer in time is passed over for the next, which is then the first to be asked.
/// </summary>
internal sealed class EtcdClient : IDisposable
{
    /// <summary>Time for one server to answer.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    private const long MaxAnswerBytes = 16 << 20;

    private readonly Uri[] servers;
    private readonly DirectoryLogin? login;
    private readonly HttpClient calls;
    private readonly HttpClient streams;
    private readonly Lock gate = new();
    private int first;
    private volatile string? token;
    private volatile string? refused;
    private (int Server, CancellationTokenSource Ending)? watched;

    /// <summary>Connects to nothing yet.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="login">User and password, or null for an etcd without authentication.</param>
    /// <param name="certificate">What to show to an etcd that speaks TLS, and whose certificates to accept there.</param>
    /// <exception cref="InvalidDataException">The address is one with TLS, and there is no certificate.</exception>
    public EtcdClient(EtcdAddress address, DirectoryLogin? login, ProcessCertificate? certificate = null)
    {
        if (address.IsSecure && certificate is null) throw new InvalidDataException($"{address} speaks TLS; expected a certificate for it.");
        servers = [.. address.EndPoints.Select(endPoint => new Uri($"{(address.IsSecure ? "https" : "http")}://{endPoint}"))];
        this.login = login;
        calls = new HttpClient(Handler()) { Timeout = Deadline, MaxResponseContentBufferSize = MaxAnswerBytes };
        SocketsHttpHandler streaming = Handler();
        streaming.ResponseDrainTimeout = TimeSpan.Zero;
        streaming.ConnectCallback = ConnectAsync;
        streams = new HttpClient(streaming) { Timeout = Timeout.InfiniteTimeSpan };

        SocketsHttpHandler Handler()
        {
            var handler = new SocketsHttpHandler { UseProxy = false };
            if (address.IsSecure) handler.SslOptions = certificate!.ForDialler(checkName: true, reason => refused = reason);
            return handler;
        }
    }

    /// <summary>Calls a method.</summary>
    /// <typeparam name="T">Its answer.</typeparam>
    /// <param name="path">Its path, from <c>/v3</c>.</param>
    /// <param name="request">Its argument.</param>
    /// <exception cref="EtcdException">etcd answers with an error that would be the same at every server.</exception>
    /// <exception cref="DirectoryException">No server can be asked.</exception>
    public T Call<T>(string path, object request)
    {
        var faults = new List<string>();
        int start = Volatile.Read(ref first);
        for (int i = 0; i < servers.Length; i++)
        {
            int server = (start + i) % servers.Length;
            try
            {
                T answer = CallWithToken<T>(server, path, request);
                Volatile.Write(ref first, server);
                return answer;
            }
            catch (EtcdException e) when (e.IsOfServer)
            {
                faults.Add($"{servers[server].Authority}: {e.Message}");
            }
            catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
            {
                faults.Add($"{servers[server].Authority}: {Explain(e)}");
            }
            catch (OperationCanceledException)
            {
                faults.Add($"{servers[server].Authority}: no answer within {Deadline.TotalSeconds:0} s");
            }

            EndWatch(server);
        }

        throw new DirectoryException($"etcd cannot be reached ({string.Join("; ", faults)}).");
    }

    /// <summary>
    /// Watches keys until the stream ends, or its server fails to answer a call: one that hangs would never end the stream. The next
    /// attempt goes to the next server.
    /// </summary>
    /// <param name="watch">What to watch.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="DirectoryException">etcd answers with an error, or ends the watch.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="OperationCanceledException">It was ended, or its server does not answer.</exception>
    /// <exception cref="JsonException">The answer is none of etcd's.</exception>
    public async IAsyncEnumerable<EtcdWatchAnswer> WatchAsync(
        EtcdWatch watch, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        int server = Volatile.Read(ref first);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        lock (gate) watched = (server, ending);
        using HttpRequestMessage request = Request(server, "watch", watch, token);

        // A server that is cut off from the others ends the watch; otherwise it would only fall silent (etcd's API, "hasleader").
        request.Headers.Add("Grpc-Metadata-hasleader", "true");
        try
        {
            using HttpResponseMessage response = await OpenAsync(request, ending.Token).ConfigureAwait(false);
            Stream stream = await response.Content.ReadAsStreamAsync(ending.Token).ConfigureAwait(false);
            ConfiguredCancelableAsyncEnumerable<EtcdStreamed<EtcdWatchAnswer>?> messages = JsonSerializer
                .DeserializeAsyncEnumerable<EtcdStreamed<EtcdWatchAnswer>>(
                    stream, topLevelValues: true, EtcdJson.Options, ending.Token)
                .ConfigureAwait(false);
            await foreach (EtcdStreamed<EtcdWatchAnswer>? message in messages)
            {
                if (message?.Error is { } error) throw EtcdException.Read(error.GetRawText(), 200);
                if (message?.Result is not { } result) throw new DirectoryException("etcd's watch gave a message without a result.");
                if (result.Canceled) throw new DirectoryException($"etcd has ended the watch: {Reason(result)}.");
                yield return result;
            }
        }
        finally
        {
            lock (gate) watched = null;
            Interlocked.CompareExchange(ref first, (server + 1) % servers.Length, server);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        calls.Dispose();
        streams.Dispose();
    }

    /// <summary>What went wrong with TLS is said by the innermost exception, and by whoever looked at the certificate.</summary>
    private string Explain(Exception exception)
    {
        (string? reason, refused) = (refused, null);
        if (reason is not null) return $"it is not trusted: {reason}";
        string message = exception.GetBaseException().Message;
        return (exception as HttpRequestException)?.HttpRequestError switch
        {
            HttpRequestError.SecureConnectionError => $"{message} (without TLS its address begins with etcd://)",
            HttpRequestError.ResponseEnded => $"{message} (with TLS its address begins with etcds://)",
            _ => message,
        };
    }

    private void EndWatch(int server)
    {
        lock (gate)
        {
            if (watched?.Server == server) watched.Value.Ending.Cancel();
        }
    }

    private static string Reason(EtcdWatchAnswer canceled) => canceled.CompactRevision > 0
        ? $"what came before revision {canceled.CompactRevision} is compacted"
        : canceled.CancelReason ?? "no reason given";

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            LinkSocket.Configure(socket);
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<HttpResponseMessage> OpenAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Deadline);
        try
        {
            HttpResponseMessage response =
                await streams.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token).ConfigureAwait(false);
            if (response.IsSuccessStatusCode) return response;
            using (response)
            {
                throw EtcdException.Read(
                    await response.Content.ReadAsStringAsync(deadline.Token).ConfigureAwait(false), (int)response.StatusCode);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DirectoryException($"{request.RequestUri!.Authority}: no answer within {Deadline.TotalSeconds:0} s");
        }
    }

    private T CallWithToken<T>(int server, string path, object request)
    {
        if (login is null) return Post<T>(server, path, request, null);
        string used = token ?? Authenticate(server);
        try
        {
            return Post<T>(server, path, request, used);
        }
        catch (EtcdException e) when (e.IsOfToken)
        {
            // Another thread may have a new one already.
            string? present = token;
            return Post<T>(server, path, request, present is null || present == used ? Authenticate(server) : present);
        }
    }

    private string Authenticate(int server) =>
        token = Post<EtcdToken>(server, "auth/authenticate", new EtcdCredentials(login!.User, login.Password), null).Token;

    private T Post<T>(int server, string path, object request, string? withToken)
    {
        using HttpRequestMessage message = Request(server, path, request, withToken);
        using HttpResponseMessage response = calls.Send(message);
        using var reader = new StreamReader(response.Content.ReadAsStream(), Encoding.UTF8);
        string body = reader.ReadToEnd();
        if (!response.IsSuccessStatusCode) throw EtcdException.Read(body, (int)response.StatusCode);
        return JsonSerializer.Deserialize<T>(body, EtcdJson.Options) ?? throw new JsonException($"{path} answered null");
    }

    private HttpRequestMessage Request(int server, string path, object request, string? withToken)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(servers[server], $"/v3/{path}"))
        {
            Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(request, request.GetType(), EtcdJson.Options)),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (withToken is not null) message.Headers.TryAddWithoutValidation("Authorization", withToken);
        return message;
    }
}
