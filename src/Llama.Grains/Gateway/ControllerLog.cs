using Microsoft.Extensions.Logging;

namespace Llama.Grains.Gateway;

/// <summary>What the controller and its replicas say.</summary>
internal static partial class ControllerLog
{
    [LoggerMessage(1, LogLevel.Information, "Replica {Replica}, epoch {Epoch}: opening {Stages}")]
    public static partial void Opening(ILogger logger, int replica, ulong epoch, string stages);

    [LoggerMessage(2, LogLevel.Information, "Replica {Replica}, epoch {Epoch}: ready")]
    public static partial void Ready(ILogger logger, int replica, ulong epoch);

    [LoggerMessage(3, LogLevel.Warning, "Replica {Replica}, epoch {Epoch}: lost: {Reason}")]
    public static partial void Lost(ILogger logger, int replica, ulong epoch, string reason);

    [LoggerMessage(4, LogLevel.Warning, "Replica {Replica}, epoch {Epoch}: not opened: {Reason}")]
    public static partial void NotOpened(ILogger logger, int replica, ulong epoch, string reason);

    [LoggerMessage(5, LogLevel.Warning, "Replica {Replica}: {Reason}")]
    public static partial void DoesNotFit(ILogger logger, int replica, string reason);

    [LoggerMessage(6, LogLevel.Error, "Planning failed; it goes on with the next change")]
    public static partial void Failed(ILogger logger, Exception exception);

    [LoggerMessage(7, LogLevel.Information, "Silo {Silo} is drained: it gets no layers any more, and others take those that it has")]
    public static partial void Drains(ILogger logger, string silo);

    [LoggerMessage(8, LogLevel.Warning, "Replica {Replica}: its layers stay where they are: {Reason}")]
    public static partial void NotMoved(ILogger logger, int replica, string reason);

    [LoggerMessage(
        9, LogLevel.Warning,
        "Silo {Silo} is no member of the cluster any more; it keeps its layers as long as its links are open and bring heartbeats")]
    public static partial void Missing(ILogger logger, string silo);

    [LoggerMessage(10, LogLevel.Information, "Silo {Silo} is a member of the cluster again")]
    public static partial void Back(ILogger logger, string silo);
}
