using Llama.Grains.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Configuration;

namespace Llama.Grains.Tests.Membership;

public sealed class DocumentGatewayListProviderTests : IDisposable
{
    private readonly TestStore store = new();
    private readonly HealingDocument document;
    private readonly DocumentGatewayListProvider provider;

    public DocumentGatewayListProviderTests()
    {
        document = new HealingDocument(store, new MembershipSecrets(), TimeProvider.System, NullLogger<HealingDocument>.Instance);
        provider = new DocumentGatewayListProvider(document, Microsoft.Extensions.Options.Options.Create(new GatewayOptions()));
    }

    public void Dispose() => document.Dispose();

    [Fact]
    public async Task GetGateways_AreTheActiveSilosWithAPortForClients()
    {
        Write(LocalSilo.EntryOf(1), LocalSilo.EntryOf(2, SiloStatus.Joining), LocalSilo.EntryOf(3, SiloStatus.Dead), Silent(4), LocalSilo.EntryOf(5));

        Assert.Equal(
            ["gwy.tcp://127.0.0.1:30001/1", "gwy.tcp://127.0.0.1:30005/5"],
            (await provider.GetGateways()).Select(one => one.ToString()).Order());
    }

    [Fact]
    public async Task GetGateways_DocumentLostOrStoreAway_AreTheLastKnownAndNothingIsWritten()
    {
        Write(LocalSilo.EntryOf(1));
        IList<Uri> known = await provider.GetGateways();

        store.Text = null;
        Assert.Equal(known, await provider.GetGateways());
        Assert.Null(store.Text);
        store.IsAway = true;
        Assert.Equal(known, await provider.GetGateways());

        store.IsAway = false;
        Write(LocalSilo.EntryOf(2));
        Assert.NotEqual(known, await provider.GetGateways());
    }

    [Fact]
    public async Task GetGateways_StoreAwayFromTheBeginning_Fails()
    {
        store.IsAway = true;
        await Assert.ThrowsAsync<MembershipStoreException>(provider.GetGateways);
    }

    private static MembershipEntry Silent(int number)
    {
        MembershipEntry entry = LocalSilo.EntryOf(number);
        entry.ProxyPort = 0;
        return entry;
    }

    private void Write(params MembershipEntry[] entries) => store.State = (MembershipState.None with
    {
        Rows = [.. entries.Select(entry => SiloRow.Of(entry, null, new MembershipRealm(new MembershipSecrets()).Own))],
    }).Next(DateTimeOffset.UtcNow).WrittenBy("1");
}
