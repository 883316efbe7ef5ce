using System.Net;
using Llama.Grains.Hosting;
using Llama.Tests;

namespace Llama.Grains.Tests.Hosting;

public sealed class RefusalLogTests
{
    [Fact]
    public void Refused_SameAddress_TellsOnceAMinute()
    {
        var time = new ManualTime();
        var logger = new RecordingLogger();
        var log = new RefusalLog(logger, time);

        for (int port = 1; port < 100; port++) log.Refused(PeerPurpose.Silo, new IPEndPoint(IPAddress.Loopback, port), "it is a stranger");
        log.Refused(PeerPurpose.Silo, new IPEndPoint(IPAddress.IPv6Loopback, 1), "it is a stranger");
        Assert.Equal(2, logger.Messages.Count);

        time.Advance(TimeSpan.FromMinutes(1));
        log.Refused(PeerPurpose.Silo, new IPEndPoint(IPAddress.Loopback, 1), "it is a stranger");
        Assert.Equal(3, logger.Messages.Count);
    }
}
