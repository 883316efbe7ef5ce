using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Copying;

/// <summary>A weight file and the pieces of it that a range of layers needs.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Needed">First byte of each piece, and the byte after its last; headers come before tensors.</param>
internal sealed record FilePieces(string Path, long Bytes, IReadOnlyList<(long First, long End)> Needed)
{
    /// <summary>A longer piece is several: after an interruption only the last one is copied again.</summary>
    internal const long LongestPiece = 32L << 20;

    /// <summary>Bytes of all pieces.</summary>
    public long NeededBytes => Needed.Sum(piece => piece.End - piece.First);

    /// <summary>
    /// The files that a range needs: all but the data of the other layers' tensors, so that headers and what lies between tensors are
    /// there. Pieces end where tensors do, so that they are the same for every range.
    /// </summary>
    /// <param name="checkpoint">The model.</param>
    /// <param name="first">First layer.</param>
    /// <param name="end">The layer after the last.</param>
    /// <param name="mustBeHere">Whether the bytes of the range's tensors must be on this machine.</param>
    /// <exception cref="CheckpointException">A tensor that the range needs is not there.</exception>
    public static IReadOnlyList<FilePieces> Of(FileCheckpoint checkpoint, int first, int end, bool mustBeHere)
    {
        var needed = new HashSet<string>(checkpoint.Tensors(first, end).Select(tensor => tensor.Name), StringComparer.Ordinal);
        var files = new SortedDictionary<string, List<(StoredTensor Tensor, bool IsNeeded)>>(StringComparer.Ordinal);
        foreach (ModelTensor tensor in checkpoint.Tensors(0, checkpoint.Config.Layers))
        {
            bool isNeeded = needed.Contains(tensor.Name);
            foreach (StoredTensor part in Locate(checkpoint, tensor.Name, isNeeded, mustBeHere))
            {
                if (!files.TryGetValue(part.File, out List<(StoredTensor, bool)>? tensors)) files.Add(part.File, tensors = []);
                tensors.Add((part, isNeeded));
            }
        }

        IReadOnlyList<string> headers = checkpoint.HeaderFiles;
        foreach (string header in headers) files.TryAdd(header, []);
        return [.. files.Where(file => headers.Contains(file.Key) || file.Value.Exists(t => t.IsNeeded)).Select(file => Of(file.Key, file.Value))];
    }

    /// <summary>Tensors of other layers need not be there.</summary>
    private static IReadOnlyList<StoredTensor> Locate(FileCheckpoint checkpoint, string name, bool isNeeded, bool mustBeHere)
    {
        try
        {
            return isNeeded && mustBeHere ? checkpoint.LocateHere(name) : checkpoint.Locate(name);
        }
        catch (CheckpointException) when (!isNeeded)
        {
            return [];
        }
    }

    private static FilePieces Of(string path, List<(StoredTensor Tensor, bool IsNeeded)> tensors)
    {
        // Two names may stand for the same bytes: needed once is needed.
        var places = new List<(long First, long End, bool IsNeeded)>();
        foreach ((StoredTensor tensor, bool isNeeded) in tensors.OrderBy(t => t.Tensor.Offset))
        {
            (long First, long End, bool IsNeeded) place = (tensor.Offset, tensor.Offset + tensor.DataBytes, isNeeded);
            if (places.Count > 0 && place.First < places[^1].End)
                places[^1] = (places[^1].First, Math.Max(places[^1].End, place.End), places[^1].IsNeeded || isNeeded);
            else
                places.Add(place);
        }

        long bytes = new FileInfo(path).Length;
        var between = new List<(long First, long End)>();
        long at = 0;
        foreach ((long first, long end, _) in places)
        {
            between.Add((at, first));
            at = end;
        }

        between.Add((at, bytes));
        IEnumerable<(long First, long End)> tensorPlaces = places.Where(place => place.IsNeeded).Select(place => (place.First, place.End));
        return new FilePieces(path, bytes, [.. between.Concat(tensorPlaces).SelectMany(Split)]);
    }

    /// <summary>A place in a file as pieces that are not too long.</summary>
    internal static IEnumerable<(long First, long End)> Split((long First, long End) place)
    {
        for (long start = place.First; start < place.End; start += LongestPiece)
            yield return (start, Math.Min(start + LongestPiece, place.End));
    }
}
