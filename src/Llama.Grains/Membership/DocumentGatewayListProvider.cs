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
    public async Task<IList<Uri>> GetGateways()
    {
        try
        {
            MembershipState? state = await document.LookAsync(CancellationToken.None).ConfigureAwait(false);
            Uri[] found = [.. (state ?? MembershipState.None).Of(document.Realm).Rows.Where(IsGateway).Select(AddressOf)];
            if (found.Length > 0) last = found;
        }
        catch (MembershipStoreException) when (last.Length > 0)
        {
            // The document has said so.
        }

        return last;
    }

    private static bool IsGateway(SiloRow row) => row.Status == SiloStatus.Active && row.ProxyPort > 0;

    private static Uri AddressOf(SiloRow row) =>
        SiloAddress.New(row.Silo.Endpoint.Address, row.ProxyPort, row.Silo.Generation).ToGatewayUri();
}
