using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Llama.Grains.Membership.Http;

namespace Llama.Grains.Membership.Etcd;

/// <summary>
/// Calls etcd's JSON gateway (<c>/v3/…</c> of etcd 3.4 and later). A server that does not answer in time, or answers with an error, is
/// passed over for the next; the one that did is asked first from then on.
/// </summary>
internal sealed class EtcdClient : IDisposable
{
    /// <summary>The document, in base64, and what is around it.</summary>
    private const long MaxAnswerBytes = (StoredDocument.MaxBytes * 4L / 3) + 4096;

    private readonly Uri[] servers;
    private readonly StoreLogin? login;
    private readonly StoreHttp http;
    private volatile int first;
    private volatile string? token;

    /// <summary>Connects to nothing yet.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="secrets">Login and certificate.</param>
    /// <exception cref="InvalidDataException">The address is one with TLS, and there is no certificate.</exception>
    public EtcdClient(EtcdAddress address, MembershipSecrets secrets)
    {
        if (address.IsSecure && secrets.Certificate is null)
            throw new InvalidDataException($"{address} speaks TLS and needs --tls, with a certificate to show there");
        servers = [.. address.EndPoints.Select(endPoint => new Uri($"{(address.IsSecure ? "https" : "http")}://{endPoint}"))];
        login = secrets.Login;
        http = new StoreHttp(address.IsSecure ? secrets.Certificate : null, MaxAnswerBytes);
    }

    /// <summary>Calls a method.</summary>
    /// <typeparam name="TRequest">Its argument.</typeparam>
    /// <typeparam name="TAnswer">Its answer.</typeparam>
    /// <param name="path">Its path, from <c>/v3</c>.</param>
    /// <param name="request">The argument.</param>
    /// <param name="requestType">How that is written.</param>
    /// <param name="answerType">How the answer is read.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="MembershipStoreException">No server has answered; the message says why of each.</exception>
    public async Task<TAnswer> CallAsync<TRequest, TAnswer>(
        string path, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TAnswer> answerType,
        CancellationToken cancellationToken)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(request, requestType);
        var faults = new List<string>();
        int start = first;
        for (int i = 0; i < servers.Length; i++)
        {
            int server = (start + i) % servers.Length;
            try
            {
                TAnswer answer = await CallWithTokenAsync(servers[server], path, body, answerType, cancellationToken).ConfigureAwait(false);
                first = server;
                return answer;
            }
            catch (Exception e) when (e is EtcdException or MembershipStoreException or JsonException)
            {
                faults.Add($"{servers[server].Authority}: {e.Message}");
            }
        }

        throw new MembershipStoreException($"etcd cannot be used ({string.Join("; ", faults)})");
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    private async Task<T> CallWithTokenAsync<T>(
        Uri server, string path, byte[] body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        if (login is null) return await PostAsync(server, path, body, type, null, cancellationToken).ConfigureAwait(false);
        try
        {
            string known = token ?? await AuthenticateAsync(server, cancellationToken).ConfigureAwait(false);
            return await PostAsync(server, path, body, type, known, cancellationToken).ConfigureAwait(false);
        }
        catch (EtcdException e) when (e.IsOfToken)
        {
            // It was forgotten, or is over.
            string fresh = await AuthenticateAsync(server, cancellationToken).ConfigureAwait(false);
            return await PostAsync(server, path, body, type, fresh, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<string> AuthenticateAsync(Uri server, CancellationToken cancellationToken)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(
            new EtcdCredentials(login!.User, login.Password), EtcdJson.Default.EtcdCredentials);
        EtcdToken answer = await PostAsync(
            server, "auth/authenticate", body, EtcdJson.Default.EtcdToken, null, cancellationToken).ConfigureAwait(false);
        return token = answer.Token;
    }

    private async Task<T> PostAsync<T>(
        Uri server, string path, byte[] body, JsonTypeInfo<T> type, string? withToken, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(server, $"/v3/{path}")) { Content = new ByteArrayContent(body) };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        if (withToken is not null) message.Headers.TryAddWithoutValidation("Authorization", withToken);
        using HttpResponseMessage response = await http.SendAsync(message, cancellationToken).ConfigureAwait(false);
        byte[] content = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        return response.IsSuccessStatusCode
            ? JsonSerializer.Deserialize(content, type) ?? throw new JsonException($"{path} answered null")
            : throw EtcdException.Read(Encoding.UTF8.GetString(content), (int)response.StatusCode);
    }
}
