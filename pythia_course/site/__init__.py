"""The course as static pages, which need no kernel, no server and no network.

    page.page_text        a model's name -> one HTML file with the model inside, as text; `page.write_page` writes it
    folder.write_site     the whole course as a folder: lessons, glossary, public names, search, a playground in front
Behind them: `lessons`, a notebook as HTML; `alive`, what a lesson's widgets hold; `bundle`, JavaScript for a disk.
"""
