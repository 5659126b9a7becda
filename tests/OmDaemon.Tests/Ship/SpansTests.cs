using OpenMosix.Daemon.Ship;
using OpenMosix.Protocol.V1;

namespace OpenMosix.Daemon.Tests.Ship;

public sealed class SpansTests
{
    private const ulong Page = 4096;

    [Fact]
    public void Of_NeighboursAndUnwantedFiles_MergedAndLeftOut()
    {
        var image = new ProcessImage
        {
            Extents = { Extent(1, 2), Extent(3, 1), Extent(9, 1) },
            Files = { File(0, 4), File(2, 2), File(1, 1) },
        };
        Assert.Equal(
            [Span(0, 1, 3), Span(0, 9, 1), Span(1, 0, 4), Span(3, 1, 1)],
            Spans.Of(image, file => file != 1));
    }

    [Fact]
    public void Of_OverlappingOrUnalignedExtents_Refused()
    {
        Assert.Null(Spans.Of(new ProcessImage { Extents = { Extent(1, 2), Extent(2, 1) } }, _ => true));
        Assert.Null(Spans.Of(new ProcessImage { Extents = { new Extent { Address = 5, Bytes = Page } } }, _ => true));
        Assert.Null(Spans.Of(new ProcessImage { Extents = { new Extent { Address = ulong.MaxValue - Page + 1, Bytes = 2 * Page } } }, _ => true));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Split_AnyParts_CoversAllInOrderAndEvenly(int parts)
    {
        List<PageSpan> spans = [Span(0, 1, 100), Span(0, 200, 1), Span(0, 300, 50), Span(2, 0, 33), Span(3, 5, 400)];
        List<List<PageSpan>> split = Spans.Split(spans, parts);
        Assert.InRange(split.Count, 1, parts);
        Assert.Equal(Pages(spans), Pages(split.SelectMany(part => part)));
        Assert.All(split, part => Assert.Null(Spans.Fault(part)));
        Assert.All(split, part => Assert.InRange(Spans.Bytes(part), 1ul, (584 * Page / (ulong)parts) + Page));
    }

    private static IEnumerable<(uint File, ulong Page)> Pages(IEnumerable<PageSpan> spans) =>
        spans.SelectMany(span => Enumerable.Range(0, (int)(span.Bytes / Page)).Select(page => (span.File, (span.Offset / Page) + (ulong)page)));

    private static PageSpan Span(uint file, ulong page, ulong pages) => new() { File = file, Offset = page * Page, Bytes = pages * Page };

    private static Extent Extent(ulong page, ulong pages) => new() { Address = page * Page, Bytes = pages * Page };

    private static MappedFile File(ulong page, ulong pages) => new() { Ranges = { new FileRange { Offset = page * Page, Bytes = pages * Page } } };
}
