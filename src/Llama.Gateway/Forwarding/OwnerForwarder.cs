using System.Net;
using System.Net.Sockets;
using Llama.Gateway.Api.Cluster;
using Llama.Gateway.Api.Errors;
using Llama.Gateway.Api.Reading;
using Llama.Grains.Directory;
using Llama.Grains.Gateway;
using Llama.Grains.Links;
using Llama.Model.Machine;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Llama.Gateway.Forwarding;

/// <summary>
/// Where several gateways share a directory, one owns the pipelines; the others send it every request and its answers back, byte by byte as
/// they come. A client that goes away ends both connections; an owner that goes away, or loses the pipelines, ends the answer.
/// </summary>
internal sealed class OwnerForwarder : IDisposable
{
    private const int BufferBytes = 16 << 10;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    /// <summary>Headers of one connection (RFC 9110, section 7.6.1), and those that this side writes itself.</summary>
    private static readonly HashSet<string> NotForwarded = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Host", "Origin", "Content-Length",
        ForwardedClient.Header,
    };

    private readonly IDirectory directory;
    private readonly Ownership ownership;
    private readonly LinkIdentity self;
    private readonly ApiGuard guard;
    private readonly OperatorGuard operators;
    private readonly HttpMessageInvoker http;

    /// <summary>Why the last certificate of an owner was refused.</summary>
    private volatile string? distrust;

    /// <summary>Forwards as a directory says.</summary>
    public OwnerForwarder(IDirectory directory, Ownership ownership, LinkIdentity self, ApiGuard guard, OperatorGuard operators)
    {
        this.directory = directory;
        this.ownership = ownership;
        this.self = self;
        this.guard = guard;
        this.operators = operators;
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = ConnectTimeout,
            ResponseDrainTimeout = TimeSpan.Zero,
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, cancellationToken),
        };
        if (self.Certificate is { } certificate) handler.SslOptions = certificate.ForDialler(checkName: true, reason => distrust = reason);
        http = new HttpMessageInvoker(handler);
    }

    /// <summary>Answers a request here, if this gateway owns the pipelines or nobody better is known, or has the owner answer it.</summary>
    /// <param name="context">The request.</param>
    /// <param name="next">Answers here.</param>
    public Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        // What was forwarded is answered here, whatever the directory says by now: it must not go in circles.
        if (ForwardedClient.Restore(context, self.Key.Span) || context.Request.Path == GatewayConnection.Path) return next(context);
        return Ownership.Of(directory.View) is { Url: not null } owner && !ownership.IsMine(owner)
            ? guard.Guard((_, cancellationToken) => ForwardAsync(context, owner, cancellationToken))(context)
            : next(context);
    }

    /// <inheritdoc/>
    public void Dispose() => http.Dispose();

    private async Task ForwardAsync(HttpContext context, GatewayRecord owner, CancellationToken cancellationToken)
    {
        // Host and Origin are this connection's; the owner sees its own.
        if (context.GetEndpoint()?.Metadata.GetMetadata<ChangesCluster>() is not null) operators.Check(context);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task watching = WatchOwnerAsync(owner, ending);
        try
        {
            using HttpRequestMessage request = Request(context, owner);
            using HttpResponseMessage answer = await http.SendAsync(request, ending.Token);
            await AnswerAsync(context.Response, answer, ending.Token);
        }
        catch (HttpRequestException e) when (e.InnerException is BadHttpRequestException fault)
        {
            // The client's body is at fault, not the owner.
            throw new BadHttpRequestException(fault.Message, fault.StatusCode, fault);
        }
        catch (Exception e) when (
            e is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // Half an answer must not look like a whole one.
            if (context.Response.HasStarted) context.Abort();
            else throw Gone(owner, e);
        }
        finally
        {
            await ending.CancelAsync();
            await watching;
        }
    }

    /// <summary>Opens a connection to the owner, unless clients have taken the descriptors: each that is forwarded takes two.</summary>
    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint owner, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (!Descriptors.Leaves(socket, Descriptors.KeptFromLinks))
                throw new IOException($"this gateway has too many connections for its {Descriptors.Limit} descriptors (ulimit -n)");
            await socket.ConnectAsync(owner, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private ApiException Gone(GatewayRecord owner, Exception reason) => new(
        StatusCodes.Status503ServiceUnavailable,
        reason is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } && distrust is { } fault
            ? $"The gateway at {owner.Url}, which owns the pipelines, is not trusted: {fault}"
            : $"The gateway at {owner.Url}, which owned the pipelines, is gone: {reason.Message}",
        code: "unavailable", retryAfter: TryAgain);

    /// <summary>Ends what is forwarded to an owner when another has succeeded it: a gateway that hangs answers nothing any more.</summary>
    private async Task WatchOwnerAsync(GatewayRecord owner, CancellationTokenSource ending)
    {
        try
        {
            DirectoryView view = directory.View;
            while (Ownership.Of(view) is not { } present || present.Instance == owner.Instance)
                view = await directory.WaitForChangeAsync(view.Version, ending.Token);
            await ending.CancelAsync();
        }
        catch (OperationCanceledException)
        {
            // The answer is complete.
        }
    }

    private HttpRequestMessage Request(HttpContext context, GatewayRecord owner)
    {
        HttpRequest source = context.Request;
        var request = new HttpRequestMessage(
            new HttpMethod(source.Method), new Uri($"{owner.Url}{source.Path.ToUriComponent()}{source.QueryString.ToUriComponent()}"));
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true })
        {
            RequestBody.LiftLimit(context);
            request.Content = new ForwardedBody(source);
        }

        foreach ((string name, StringValues values) in source.Headers)
        {
            if (NotForwarded.Contains(name)) continue;
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values))
                request.Content?.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
        }

        ForwardedClient.Add(request, context, self.Key.Span);
        return request;
    }

    private static async Task AnswerAsync(HttpResponse target, HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        target.StatusCode = (int)answer.StatusCode;
        foreach ((string name, IEnumerable<string> values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (!NotForwarded.Contains(name)) target.Headers[name] = values.ToArray();
        }

        target.ContentLength = answer.Content.Headers.ContentLength;
        await target.StartAsync(cancellationToken);
        Stream body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        byte[] buffer = new byte[BufferBytes];
        while (await body.ReadAsync(buffer, cancellationToken) is var count and > 0)
        {
            await target.Body.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            await target.Body.FlushAsync(cancellationToken);
        }
    }
}
