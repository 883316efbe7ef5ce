using System.Net.Sockets;
using Llama.Model.Machine;

namespace Llama.Model.Tests.Machine;

public sealed class DescriptorsTests
{
    [Fact]
    public void Leaves_OnLinux_CountsWhatIsLeftOfTheLimit()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "other systems have other limits");
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        int limit = Descriptors.Limit!.Value;
        Assert.InRange(Descriptors.Left()!.Value, 1, limit - 3);
        Assert.True(Descriptors.Leaves(socket, 1));
        Assert.False(Descriptors.Leaves(socket, limit));
    }
}
