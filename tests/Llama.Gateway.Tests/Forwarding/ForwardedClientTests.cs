using System.Net;
using Llama.Gateway.Forwarding;
using Microsoft.AspNetCore.Http;

namespace Llama.Gateway.Tests.Forwarding;

public sealed class ForwardedClientTests
{
    private static readonly byte[] Key = [1, 2, 3];

    [Theory]
    [InlineData("10.1.2.3")]
    [InlineData("fd00::7")]
    public void Restore_HeaderOfAdd_GivesTheClientsAddress(string address)
    {
        DefaultHttpContext context = Forwarded(address, Key);
        Assert.True(ForwardedClient.Restore(context, Key));
        Assert.Equal(IPAddress.Parse(address), context.Connection.RemoteIpAddress);
    }

    [Theory]
    [InlineData("10.1.2.3")]
    [InlineData("10.1.2.3 00")]
    [InlineData("")]
    [InlineData("a b c")]
    public void Restore_HeaderWithoutProof_LeavesTheAddress(string header)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = IPAddress.Loopback;
        context.Request.Headers[ForwardedClient.Header] = header;
        Assert.True(ForwardedClient.Restore(context, Key));
        Assert.Equal(IPAddress.Loopback, context.Connection.RemoteIpAddress);
    }

    [Fact]
    public void Restore_ProofByAnotherKey_LeavesTheAddress()
    {
        DefaultHttpContext context = Forwarded("10.1.2.3", [9]);
        Assert.True(ForwardedClient.Restore(context, Key));
        Assert.Null(context.Connection.RemoteIpAddress);
    }

    [Fact]
    public void Restore_NoHeader_IsNotForwarded() => Assert.False(ForwardedClient.Restore(new DefaultHttpContext(), Key));

    private static DefaultHttpContext Forwarded(string address, byte[] key)
    {
        var client = new DefaultHttpContext();
        client.Connection.RemoteIpAddress = IPAddress.Parse(address);
        using var request = new HttpRequestMessage();
        ForwardedClient.Add(request, client, key);
        var context = new DefaultHttpContext();
        context.Request.Headers[ForwardedClient.Header] = request.Headers.GetValues(ForwardedClient.Header).Single();
        return context;
    }
}
