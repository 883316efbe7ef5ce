using System.Net;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Hosting;

/// <summary>Tells of connections that were refused, once a minute for each address: a stranger that tries again and again fills no log.</summary>
/// <param name="logger">Where it tells.</param>
/// <param name="time">What a minute is.</param>
internal sealed partial class RefusalLog(ILogger logger, TimeProvider time)
{
    private const int MaxAddresses = 1024;
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(1);

    private readonly Dictionary<IPAddress, long> told = [];

    /// <summary>A connection from an address was refused.</summary>
    public void Refused(PeerPurpose purpose, IPEndPoint from, string reason)
    {
        if (IsNews(from.Address)) Log.Refused(logger, purpose, from, reason);
    }

    /// <summary>A connection to an address was not let in, or did not let this side in.</summary>
    public void Failed(PeerPurpose purpose, IPEndPoint to, string reason)
    {
        if (IsNews(to.Address)) Log.Failed(logger, purpose, to, reason);
    }

    private bool IsNews(IPAddress address)
    {
        lock (told)
        {
            if (told.TryGetValue(address, out long last) && time.GetElapsedTime(last) < Pause) return false;
            if (told.Count >= MaxAddresses) told.Clear();
            told[address] = time.GetTimestamp();
            return true;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A connection of a {Purpose} from {From} was refused: {Reason}")]
        public static partial void Refused(ILogger logger, PeerPurpose purpose, IPEndPoint from, string reason);

        [LoggerMessage(2, LogLevel.Warning, "A connection as a {Purpose} to {To} failed: {Reason}")]
        public static partial void Failed(ILogger logger, PeerPurpose purpose, IPEndPoint to, string reason);
    }
}
