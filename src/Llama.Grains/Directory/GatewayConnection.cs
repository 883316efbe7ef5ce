using System.Diagnostics;
using System.Net.Http.Headers;
using Llama.Grains.Links;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Directory;

/// <summary>
/// A silo's membership in a gateway's directory, over the gateway's HTTP port: joins, and joins again whenever the link ends.
/// </summary>
public sealed partial class GatewayConnection(Uri gateway, LinkIdentity self, Func<Member> member, ILogger logger)
{
    /// <summary>Path of the gateway that turns an HTTP connection into a link.</summary>
    public const string Path = "/cluster/join";

    /// <summary>Name of the protocol in the HTTP upgrade (RFC 9110, section 7.8).</summary>
    public const string Protocol = "llama-link";

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>After a refusal, which the gateway logs each time: somebody has to put the key or the model right first.</summary>
    private static readonly TimeSpan LongestPauseOfRefused = TimeSpan.FromSeconds(30);

    /// <summary>Processes of a cluster start together: that the gateway does not listen yet is worth a word only after this time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Stays a member until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var http = new GatewayHttp(self.Certificate);
        TimeSpan pause = TimeSpan.Zero;
        string lastReason = string.Empty;
        bool joined = false;
        long alone = Stopwatch.GetTimestamp();
        while (!cancellationToken.IsCancellationRequested)
        {
            TimeSpan longest = LongestPause;
            try
            {
                await JoinOnceAsync(
                    http.Client, () => (joined, pause, lastReason) = (true, TimeSpan.Zero, string.Empty),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // Without this loop the silo would be no member any more: whatever went wrong, it goes on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                if (e is LinkException) longest = LongestPauseOfRefused;
                if (joined) (joined, alone) = (false, Stopwatch.GetTimestamp());

                // Said once, not at every attempt: a silo may wait for its gateway for hours.
                string reason = http.Explain(e);
                bool expected = e is HttpRequestException { HttpRequestError: not HttpRequestError.SecureConnectionError }
                    && Stopwatch.GetElapsedTime(alone) < Patience;
                if (!expected && reason != lastReason)
                {
                    Log.NotJoined(logger, gateway, reason);
                    lastReason = reason;
                }
            }

            pause = pause == TimeSpan.Zero
                ? TimeSpan.FromMilliseconds(100)
                : TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, longest.Ticks));
            await Task.Delay(pause, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task JoinOnceAsync(HttpClient http, Action joined, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway, Path));
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new ProductHeaderValue(Protocol));
        using HttpResponseMessage response =
            await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode != System.Net.HttpStatusCode.SwitchingProtocols)
        {
            throw new IOException(
                $"{gateway} answered {(int)response.StatusCode} {response.ReasonPhrase}; expected a gateway of this cluster.");
        }

        Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            await DirectoryLinks.JoinAsync(
                stream, self, member(),
                () =>
                {
                    joined();
                    Log.Joined(logger, gateway);
                },
                TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "Joined {Gateway}")]
        public static partial void Joined(ILogger logger, Uri gateway);

        [LoggerMessage(2, LogLevel.Warning, "Not joined to {Gateway}, trying again: {Reason}")]
        public static partial void NotJoined(ILogger logger, Uri gateway, string reason);
    }
}
