using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Messaging;

namespace Llama.Grains.Membership;

/// <summary>
/// Tells an Orleans client which silos it may connect to. It never writes, and while the store is away or the document is lost, the last
/// list stays.
/// </summary>
internal sealed class DocumentGatewayListProvider(HealingDocument document, IOptions<GatewayOptions> options) : IGatewayListProvider
{
    private Uri[] last = [];

    /// <inheritdoc/>
    public TimeSpan MaxStaleness => options.Value.GatewayListRefreshPeriod;

    /// <inheritdoc/>
    public bool IsUpdatable => true;

    /// <inheritdoc/>
    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    /// <inheritdoc/>
    /// <exception cref="MembershipStoreException">The store is away, and has been since the client was started.</exception>
    /// <exception cref="SiloUnavailableException">No silo takes clients, nor has one since the client was started.</exception>
    public async Task<IList<Uri>> GetGateways()
    {
        try
        {
            MembershipState? state = await document.LookAsync(CancellationToken.None).ConfigureAwait(false);
            SiloRow[] gateways = [.. (state ?? MembershipState.None).Rows.Where(IsGateway)];
            Uri[] found = [.. gateways.Where(document.Realm.Has).Select(AddressOf)];
            if (found.Length > 0) last = found;
            else if (last.Length == 0) throw new SiloUnavailableException(WhyNone(gateways));
        }
        catch (MembershipStoreException) when (last.Length > 0)
        {
            // The document has said so.
        }

        return last;
    }

    private string WhyNone(SiloRow[] strangers) => strangers is [var stranger, ..]
        ? $"the silo {stranger.Name} is no member of this client's cluster: it has {document.Realm.Difference(stranger)}"
        : "no silo that takes clients is in the membership document";

    private static bool IsGateway(SiloRow row) => row.Status == SiloStatus.Active && row.ProxyPort > 0;

    private static Uri AddressOf(SiloRow row) =>
        SiloAddress.New(row.Silo.Endpoint.Address, row.ProxyPort, row.Silo.Generation).ToGatewayUri();
}
